"""Places that must agree: copies of images, what is pasted into them, and their quarters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.cells import CellGrid
from pylon_zoo.symmetries import ORIENTATIONS, dihedral
from pylon_zoo.training.consistency import (
    SEAM,
    Rectangle,
    View,
    disagreement,
    draw_rectangle,
    draw_views,
    in_place,
    make_views,
    swap_errors,
    swapped,
    tile_errors,
    tiled,
)

SIDE, STEP, CELLS = 64, 4, 16
TILES = CellGrid((1.5, 1.5), (4.0, 4.0))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spot(row: int, column: int, size: tuple[int, int] = (SIDE, SIDE)) -> Tensor:
    """An image (1, 1, H, W) with a bright square of two pixels around that one."""
    image = torch.zeros(1, 1, *size)
    image[..., row - 1 : row + 1, column - 1 : column + 1] = 1
    return image


def centre(maps: Tensor, grid: CellGrid) -> tuple[float, float]:
    """Where a map (1, 1, h, w) weighs most, in pixels."""
    weights = maps[0, 0] / maps.sum()
    rows, columns = (
        grid.first[axis] + grid.step[axis] * torch.arange(maps.shape[axis - 2], dtype=maps.dtype) for axis in (0, 1)
    )
    return float((weights.sum(1) * rows).sum()), float((weights.sum(0) * columns).sum())


class TestViews:
    def test_two_views_are_held_differently(self) -> None:
        for seed in range(30):
            for orientation in ORIENTATIONS:
                one, other = draw_views((SIDE, SIDE), orientation, generator(seed))
                assert one.k != other.k
                assert one.k in ORIENTATIONS[orientation][0]
                assert other.k in ORIENTATIONS[orientation][1]

    def test_all_ways_and_shifts_are_drawn(self) -> None:
        views = [view for seed in range(200) for view in draw_views((SIDE, SIDE), "any", generator(seed))]
        assert {view.k for view in views} == set(range(8))
        assert {view.shift[0] for view in views} == {view.shift[1] for view in views} == set(range(-3, 4))

    def test_a_rectangle_is_not_turned_by_a_quarter(self) -> None:
        drawn = [draw_views((64, 96), "any", generator(seed)) for seed in range(50)]
        assert {view.k for views in drawn for view in views} == {0, 1, 2, 3}

    def test_a_copy_is_the_image_moved(self) -> None:
        image = torch.rand(1, 2, 12, 12)
        copy = make_views(image, [View(6, (2, -3))])
        assert torch.equal(copy[..., 2:, :-3], dihedral(image, 6)[..., :-2, 3:])

    def test_what_comes_in_is_mirrored(self) -> None:
        image = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 5, 5)
        assert make_views(image, [View(0, (0, 2))])[0, 0, 0].tolist() == [2, 1, 0, 1, 2]

    @pytest.mark.parametrize("first", [0.0, 1.5, 3.0], ids=["symmetric padding", "patches", "TensorFlow's padding"])
    def test_maps_come_back_to_their_place(self, first: float) -> None:
        """A network that marks what it sees, with its cells anywhere: the marks lie on the spot, however it is held."""
        grid = CellGrid((first, first), (STEP, STEP))
        symmetric = CellGrid(((SIDE - 1 - STEP * (CELLS - 1)) / 2,) * 2, (STEP, STEP))
        at = grid.first[0] + STEP * torch.arange(CELLS)
        tent = (1 - (at[:, None] - torch.arange(SIDE)).abs() / STEP).clamp(min=0)
        image = spot(24, 40)
        for seed in range(25):
            (view, _) = draw_views((SIDE, SIDE), "any", generator(seed))
            maps = tent @ make_views(image, [view]) @ tent.T
            down, across = centre(in_place(maps, [view], grid, (SIDE, SIDE)), symmetric)
            assert down == pytest.approx(23.5, abs=0.3)
            assert across == pytest.approx(39.5, abs=0.3)

    def test_maps_of_rectangles_too(self) -> None:
        size = (32, 64)
        grid = CellGrid((0.0, 0.0), (4.0, 4.0))
        maps = torch.zeros(1, 1, 8, 16)
        maps[0, 0, 2, 3] = 1  # pixel (8, 12) of a copy mirrored left for right and top for bottom, moved by (1, 2)
        placed = in_place(maps, [View(3, (1, 2))], grid, size)
        down, across = centre(placed, CellGrid(((31 - 28) / 2, (63 - 60) / 2), (4.0, 4.0)))
        assert (down, across) == (pytest.approx(31 - 7), pytest.approx(63 - 10))


class TestDisagreement:
    def marks(self, *places: tuple[int, int]) -> Tensor:
        maps = torch.full((1, len(places), CELLS, CELLS), -9.0)
        for number, (row, column) in enumerate(places):
            maps[0, number, row, column] = 9
        return maps

    def test_none_in_the_same_place(self) -> None:
        still = [View(0, (0, 0))]
        mark = self.marks((4, 5))
        assert disagreement(mark, mark, (still, still), TILES, (SIDE, SIDE)).item() == pytest.approx(0, abs=1e-6)

    def test_none_where_the_mark_is_mirrored_with_the_image(self) -> None:
        apart = disagreement(
            self.marks((4, 5)), self.marks((4, 10)), ([View(0, (0, 0))], [View(1, (0, 0))]), TILES, (SIDE, SIDE)
        )
        assert apart.item() == pytest.approx(0, abs=1e-6)

    def test_a_constant_distance_does_not_survive_the_mirror(self) -> None:
        """A detector that marks four cells to the right of a finding at column 5: column 9, and 14 in the mirror."""
        apart = disagreement(
            self.marks((4, 9)), self.marks((4, 14)), ([View(0, (0, 0))], [View(1, (0, 0))]), TILES, (SIDE, SIDE)
        )
        assert apart.item() > 0.8

    def test_nearer_is_less(self) -> None:
        still = [View(0, (0, 0))]
        apart = [
            disagreement(self.marks((4, 5)), self.marks((4, 5 + far)), (still, still), TILES, (SIDE, SIDE)).item()
            for far in range(9)
        ]
        assert apart == sorted(apart)
        assert apart[8] == pytest.approx(1, abs=0.02)

    def test_it_moves_the_mark(self) -> None:
        one = torch.zeros(1, 1, CELLS, CELLS, requires_grad=True)
        still = [View(0, (0, 0))]
        disagreement(one, self.marks((4, 5)), (still, still), TILES, (SIDE, SIDE)).sum().backward()
        assert one.grad[0, 0, 4, 5] < 0 < one.grad[0, 0, 12, 12]


class TestSwap:
    def test_the_part_comes_from_the_image_before(self) -> None:
        images = torch.stack([torch.full((1, 4, 4), float(number)) for number in range(3)])
        mixed = swapped(images, Rectangle(0, 2, 1, 3))
        assert mixed[:, 0, 0, 1].tolist() == [2, 0, 1]
        assert mixed[:, 0, 3, 1].tolist() == [0, 1, 2]

    def test_rectangles_lie_in_the_image(self) -> None:
        for seed in range(50):
            part = draw_rectangle((40, 60), generator(seed))
            assert 0 <= part.top < part.bottom <= 40
            assert 0 <= part.left < part.right <= 60
            assert 16 <= part.bottom - part.top <= 28

    def test_maps_that_look_at_their_own_cell_have_no_error(self) -> None:
        images, part = torch.randn(4, 2, SIDE, SIDE) * 3, Rectangle(12, 44, 8, 40)
        apart, follows = swap_errors(
            functional.avg_pool2d(swapped(images, part), STEP), functional.avg_pool2d(images, STEP), part, TILES
        )
        assert apart.max() < 1e-6
        assert torch.equal(follows, follows.clamp(max=0.7))  # the entropy of the target itself

    def test_the_seam_is_left_out(self) -> None:
        part = Rectangle(12, 44, 8, 40)
        whole = torch.full((2, 1, CELLS, CELLS), -4.0)
        mixed = whole.clone()
        seam = part.cells(TILES, (CELLS, CELLS), SEAM) & ~part.cells(TILES, (CELLS, CELLS), -SEAM)
        mixed[..., seam] = 4
        assert swap_errors(mixed, whole, part, TILES)[0].max() == 0
        mixed[..., ~seam] = 4
        assert swap_errors(mixed, whole, part, TILES)[0].min() > 0.5

    def test_evidence_from_elsewhere_is_an_error(self) -> None:
        """A cell at the left that speaks for a spot at the right: cut off from it, its map changes."""
        images, part = torch.zeros(2, 1, SIDE, SIDE), Rectangle(16, 48, 24, 64)
        images[0, 0, 30:34, 50:54] = 9

        def far(images: Tensor) -> Tensor:
            return functional.avg_pool2d(images, STEP).roll(-10, 3) - 6

        def near(images: Tensor) -> Tensor:
            return functional.avg_pool2d(images, STEP) - 6

        assert swap_errors(near(swapped(images, part)), near(images), part, TILES)[0].max() < 1e-6
        assert swap_errors(far(swapped(images, part)), far(images), part, TILES)[0].max() > 0.3

    def test_nothing_is_learnt_through_the_unmixed_maps(self) -> None:
        maps = torch.randn(2, 1, CELLS, CELLS, requires_grad=True)
        part = Rectangle(12, 44, 8, 40)
        apart, follows = swap_errors(torch.randn(2, 1, CELLS, CELLS, requires_grad=True), maps, part, TILES)
        (apart.sum() + follows.sum()).backward()
        assert maps.grad is None


class TestTiles:
    def test_quarters_put_together_are_the_image(self) -> None:
        images = torch.randn(3, 2, SIDE, SIDE)
        quarters = tiled(images)
        assert quarters.shape == (12, 2, SIDE // 2, SIDE // 2)
        assert tile_errors(functional.avg_pool2d(quarters, STEP), functional.avg_pool2d(images, STEP)).max() < 1e-6

    def test_what_needs_the_whole_is_an_error(self) -> None:
        images = torch.randn(3, 1, SIDE, SIDE)
        whole = functional.avg_pool2d(images, STEP) + 3 * images.mean((2, 3), keepdim=True).sign()
        assert tile_errors(functional.avg_pool2d(tiled(images), STEP), whole).min() > 0.02
