"""Offsets of peaks and constant places, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.metrics import POINTING, Outcomes, PointAccuracy, ScoreKeeper, pointing

SIDE = 16


def peaked(*cells: tuple[int, int], side: int = 4) -> Tensor:
    """Maps (N, 1, side, side) that are highest in the one cell (row, column)."""
    maps = torch.zeros(len(cells), 1, side, side)
    for one, (row, column) in zip(maps, cells, strict=True):
        one[0, row, column] = 1.0
    return maps


def box(*corners: tuple[float, float, float, float], label: int = 0) -> Tensor:
    return torch.tensor([[label, *one] for one in corners], dtype=torch.float32)


def judged(maps: Tensor, boxes: list[Tensor] | Tensor, grid: CellGrid | None = None) -> Outcomes:
    return PointAccuracy(maps.shape[1], (SIDE, SIDE), grid=grid).judge(maps, boxes)


def test_offsets_by_hand():
    grid = CellGrid((1.0, 2.0), (4.0, 4.0))  # cell (1, 2) at row 5, column 10
    outcomes = judged(peaked((1, 2), (0, 0)), [box((2, 3, 4, 11)), box((3, 0, 3, 0))], grid)
    assert outcomes.offsets.tolist() == [[5 - 7, 10 - 3], [1 - 0, 2 - 3]]
    found = pointing(outcomes, 1)
    assert tuple(found) == POINTING
    assert (found["offset_down"].macro, found["offset_right"].macro) == (-0.5, 3.0)
    assert found["offset_down"].support.tolist() == [2]


@pytest.mark.parametrize(
    ("boxes", "centre"),
    [
        ([(0, 0, 1, 1), (12, 2, 13, 3)], (2.5, 12.5)),  # the nearer one
        ([(9, 0, 11, 3), (0, 0, 15, 15)], (7.5, 7.5)),  # the one that holds the peak, not the one beside it
        ([(8, 4, 12, 8), (4, 0, 12, 8)], (6.0, 10.0)),  # of two that do, the one with the nearer centre
        ([(6, 5, 8, 5), (12, 5, 14, 5)], (5.0, 7.0)),  # of equals the first
    ],
)
def test_the_nearest_box(boxes, centre):
    """The peak is at row 5, column 10."""
    grid = CellGrid((1.0, 2.0), (4.0, 4.0))
    outcomes = judged(peaked((1, 2)), [box(*boxes)], grid)
    assert (torch.tensor([5.0, 10.0]) - outcomes.offsets[0]).tolist() == list(centre)


def test_masks_have_the_boxes_of_their_regions():
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 4:7, 8:13] = 1
    outcomes, boxed = judged(peaked((1, 2)), mask), judged(peaked((1, 2)), [box((8, 4, 12, 6))])
    assert outcomes.offsets.equal(boxed.offsets)
    assert outcomes.places.equal(boxed.places)


def test_the_median_does_not_follow_one_far_peak():
    boxes = [box((1, 1, 2, 2))] * 3
    grid = CellGrid((1.0, 1.0), (4.0, 4.0))
    found = pointing(judged(peaked((0, 0), (0, 0), (3, 3)), boxes, grid), 1)
    near, far = 1 - 1.5, 13 - 1.5  # the peak of cell 0 is drawn at pixel 1, of cell 3 at 13
    assert found["median_down"].macro == near
    assert found["offset_down"].macro == pytest.approx((2 * near + far) / 3)


def test_a_cell_that_always_speaks():
    boxes = [box((4 * place, 0, 4 * place + 3, 3)) for place in range(4)]
    stuck, right = (judged(peaked(*cells), boxes) for cells in ([(2, 3)] * 4, [(0, place) for place in range(4)]))
    assert pointing(stuck, 1)["same_place"].macro == 1.0
    assert pointing(stuck, 1)["same_place_boxes"].macro == 0.25
    assert pointing(right, 1)["same_place"].macro == 0.25
    assert stuck.places.tolist() == [[2 * 4 + 3, place] for place in range(4)]


@pytest.mark.parametrize("grid", [None, CellGrid((0.0, 0.0), (4.0, 4.0)), CellGrid((3.0, 3.0), (4.0, 4.0))])
def test_a_peak_belongs_to_its_cell(grid):
    cells = [(row, column) for row in range(4) for column in range(4)]
    outcomes = judged(peaked(*cells), [box((1, 1, 2, 2))] * 16, grid)
    assert outcomes.places[:, 0].tolist() == list(range(16))


def test_classes_are_kept_apart():
    maps = torch.cat([peaked((0, 0), (3, 3)), peaked((3, 3), (3, 3)), peaked((1, 1), (1, 1))], dim=1)
    boxes = [torch.cat([box((0, 0, 2, 2)), box((0, 0, 2, 2), label=1)]), box((12, 12, 14, 14), label=1)]
    found = pointing(judged(maps, boxes), 3)
    assert found["same_place"].support.tolist() == [1, 2, 0]
    assert found["same_place"].per_class[:2].tolist() == [1.0, 1.0]
    assert math.isnan(found["same_place"].per_class[2])
    assert found["same_place_boxes"].per_class[1] == 0.5
    assert found["offset_down"].per_class[0] == -1.0  # cell 0 is as high from pixel 0 on; the centre is at 1


def test_nobody_looked():
    old = Outcomes(torch.arange(2), torch.zeros(2).long(), torch.ones(2), torch.ones(2))
    assert all(math.isnan(result.macro) for result in pointing(old, 1).values())
    assert old.places.tolist() == [[-1, -1], [-1, -1]]


def test_any_order_of_parts_leaves_the_same():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(6, 2, 4, 4, generator=generator)
    boxes = [torch.cat([box((place, 1, place + 4, 6)), box((2, place, 9, 12), label=1)]) for place in range(6)]
    whole, parts = ScoreKeeper(2), []
    whole.update(torch.zeros(6, 2), maps, torch.ones(6, 2), boxes, (SIDE, SIDE))
    for rows in ([4, 1, 5], [0, 3, 2]):
        part = ScoreKeeper(2)
        chosen = [boxes[row] for row in rows]
        part.update(torch.zeros(3, 2), maps[rows], torch.ones(3, 2), chosen, (SIDE, SIDE), indices=rows)
        parts.append(part.state())
    joined = ScoreKeeper(2)
    joined.load_states(parts)
    mine, theirs = whole.compute().outcomes, joined.compute().outcomes
    assert mine.offsets.equal(theirs.offsets)
    assert mine.places.equal(theirs.places)
    assert mine.select([1]).offsets.equal(mine.offsets[mine.labels == 1])
