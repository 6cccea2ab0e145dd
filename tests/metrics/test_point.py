"""Point accuracy: hand-computed cases, and a naive loop that must agree."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import pylon_zoo.metrics.pairs as pairs
import pylon_zoo.metrics.point as point
from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics import HitRate, PointAccuracy, PointingGame

NONE = torch.zeros(0, 5)


def box(label: int, x0: float, y0: float, x1: float, y1: float) -> torch.Tensor:
    """One box as a (1, 5) tensor."""
    return torch.tensor([[label, x0, y0, x1, y1]], dtype=torch.float32)


def peak_at(row: int, column: int, side: int = 8, value: float = 3.0) -> torch.Tensor:
    """A (1, 1, side, side) heatmap with one bright pixel."""
    heatmap = torch.zeros(1, 1, side, side)
    heatmap[0, 0, row, column] = value
    return heatmap


def accuracy(heatmaps: torch.Tensor, boxes: list[torch.Tensor], size=(8, 8), **options) -> tuple[list, list]:
    """(per_class, support) after one batch."""
    metric = PointAccuracy(heatmaps.shape[1], size, **options)
    metric.update(heatmaps, boxes)
    result = metric.compute()
    return result.per_class.tolist(), result.support.tolist()


def naive(heatmaps: torch.Tensor, boxes: list[torch.Tensor], size: tuple[int, int]) -> tuple[list[int], list[int]]:
    """(hits, support) by one image, one class, one pixel, one box at a time."""
    hits, support = [0] * heatmaps.shape[1], [0] * heatmaps.shape[1]
    for image, image_boxes in enumerate(boxes):
        for label in range(heatmaps.shape[1]):
            own = [row[1:].tolist() for row in image_boxes if int(row[0]) == label]
            if not own:
                continue
            probability = torch.sigmoid(heatmaps[image : image + 1, label : label + 1])
            full = functional.interpolate(probability, size=size, mode="bilinear", align_corners=False)[0, 0].tolist()
            best, where = -math.inf, (0, 0)
            for y, line in enumerate(full):
                for x, value in enumerate(line):
                    if value > best:
                        best, where = value, (x, y)
            x, y = where
            support[label] += 1
            hits[label] += any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in own)
    return hits, support


@pytest.mark.parametrize(
    ("edges", "hit"),
    [
        ((5, 2, 7, 4), 1.0),  # the peak (5, 2) is the box's top-left corner
        ((1, 1, 5, 2), 1.0),  # and its bottom-right corner
        ((5, 2, 5, 2), 1.0),  # a box of one point
        ((1, 1, 4.999, 2), 0.0),  # a hair to the right of the box
        ((5, 2.001, 7, 4), 0.0),  # a hair above it
        ((2, 5, 2, 5), 0.0),  # x and y swapped
    ],
)
def test_the_box_is_closed(edges, hit):
    assert accuracy(peak_at(row=2, column=5), [box(0, *edges)]) == ([hit], [1])


def test_any_box_of_the_class_counts_once():
    boxes = torch.cat([box(0, 0, 0, 1, 1), box(0, 4, 1, 6, 3), box(0, 5, 2, 5, 2)])
    assert accuracy(peak_at(2, 5), [boxes]) == ([1.0], [1])


def test_a_box_of_another_class_does_not_count():
    heatmaps = torch.cat([peak_at(2, 5), peak_at(7, 7)], dim=1)
    per_class, support = accuracy(heatmaps, [torch.cat([box(1, 5, 2, 5, 2), box(0, 5, 2, 5, 2)])])
    assert (per_class, support) == ([1.0, 0.0], [1, 1])


def test_images_without_a_box_say_nothing():
    heatmaps = torch.cat([peak_at(2, 5), peak_at(0, 0), peak_at(7, 7)])
    assert accuracy(heatmaps, [NONE, box(0, 0, 0, 1, 1), NONE]) == ([1.0], [1])
    per_class, support = accuracy(heatmaps, [NONE, NONE, NONE])
    assert math.isnan(per_class[0])
    assert support == [0]


def test_a_constant_map_peaks_at_the_first_pixel():
    constant = torch.zeros(1, 1, 4, 4)
    assert accuracy(constant, [box(0, 0, 0, 0, 0)]) == ([1.0], [1])
    assert accuracy(constant, [box(0, 1, 0, 7, 7)]) == ([0.0], [1])


def test_equal_peaks_are_read_in_raster_order():
    heatmap = torch.maximum(peak_at(3, 6), peak_at(5, 1))
    assert accuracy(heatmap, [box(0, 6, 3, 6, 3)])[0] == [1.0]
    assert accuracy(heatmap, [box(0, 1, 5, 1, 5)])[0] == [0.0]


def test_upsampling_places_the_peak_at_pixel_centres():
    # 2 -> 8 with align_corners=False: source column 1 has its centre at 5.5, so columns 6 and 7 (clamped) share the
    # maximum and 6 is the first; align_corners=True would put it at 7 alone.
    heatmap = torch.tensor([[[[0.0, 5.0], [0.0, 0.0]]]])
    assert accuracy(heatmap, [box(0, 6, 0, 6, 0)])[0] == [1.0]


def test_activation_comes_before_upsampling():
    # Two saturated neighbours against one huge logit: after the sigmoid, the pair's midpoint stays at 1 while the lone
    # pixel's surroundings sink, so raster order decides; on raw logits the huge one wins.
    heatmap = torch.full((1, 1, 1, 8), -40.0)
    heatmap[0, 0, 0, 1], heatmap[0, 0, 0, 6] = 30.0, 90.0
    assert accuracy(heatmap, [box(0, 1, 0, 1, 0)], size=(1, 8))[0] == [1.0]
    assert accuracy(heatmap, [box(0, 6, 0, 6, 0)], size=(1, 8), activation=None)[0] == [1.0]


def test_softmax_compares_classes_at_each_pixel():
    heatmaps = torch.zeros(1, 2, 1, 4)
    heatmaps[0, 0, 0] = torch.tensor([1.0, 5.0, 4.0, 0.0])
    heatmaps[0, 1, 0] = torch.tensor([0.0, 9.0, 1.0, 0.0])
    assert accuracy(heatmaps, [box(0, 2, 0, 2, 0)], size=(1, 4), activation="softmax")[0][0] == 1.0
    assert accuracy(heatmaps, [box(0, 1, 0, 1, 0)], size=(1, 4))[0][0] == 1.0


def random_case(seed: int, images: int = 7, classes: int = 3) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Heatmaps (N, K, 5, 4) on a coarse grid of values (so that ties happen) and 0 to 4 boxes each, on (11, 13)."""
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.randint(-3, 4, (images, classes, 5, 4), generator=generator).float()
    boxes = []
    for count in torch.randint(0, 5, (images,), generator=generator).tolist():
        corners = torch.rand(count, 4, generator=generator) * torch.tensor([13.0, 11.0, 13.0, 11.0])
        low, high = torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])
        labels = torch.randint(0, classes, (count, 1), generator=generator).float()
        boxes.append(torch.cat([labels, low.round(), high.round()], dim=1))
    return heatmaps, boxes


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_agrees_with_the_naive_loop(seed):
    heatmaps, boxes = random_case(seed)
    metric = PointAccuracy(3, (11, 13))
    metric.update(heatmaps, boxes)
    assert (metric.hits.tolist(), metric.support.tolist()) == naive(heatmaps, boxes, (11, 13))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 7))
def test_merged_parts_equal_the_whole_in_any_order(seed, cut):
    heatmaps, boxes = random_case(seed)
    whole, first, second = (PointAccuracy(3, (11, 13)) for _ in range(3))
    whole.update(heatmaps, boxes)
    first.update(heatmaps[:cut], boxes[:cut])
    for image in reversed(range(cut, 7)):
        second.update(heatmaps[image : image + 1], boxes[image : image + 1])
    assert second.merge(first) is second
    assert torch.equal(second.hits, whole.hits)
    assert torch.equal(second.support, whole.support)


def test_chunking_changes_nothing(monkeypatch):
    heatmaps, boxes = random_case(3)
    expected = naive(heatmaps, boxes, (11, 13))
    monkeypatch.setattr(pairs, "PIXELS_AT_ONCE", 1)
    metric = PointAccuracy(3, (11, 13))
    metric.update(heatmaps, boxes)
    assert (metric.hits.tolist(), metric.support.tolist()) == expected


def test_only_maps_with_a_box_are_upsampled(monkeypatch):
    seen = []
    original = pairs.upsample
    monkeypatch.setattr(pairs, "upsample", lambda maps, *where: seen.append(len(maps)) or original(maps, *where))
    boxes = [NONE, torch.cat([box(2, 0, 0, 3, 3), box(2, 5, 5, 7, 7), box(0, 1, 1, 2, 2)]), NONE]
    PointAccuracy(14, (8, 8)).update(torch.zeros(3, 14, 4, 4), boxes)
    assert seen == [2]


def test_half_precision_heatmaps_are_judged_in_float32():
    assert accuracy(peak_at(2, 5).bfloat16(), [box(0, 5, 2, 5, 2)]) == ([1.0], [1])


def test_bad_input_is_refused():
    metric = PointAccuracy(2, (8, 8))
    with pytest.raises(DataError, match="boxes for 2 images"):
        metric.update(torch.zeros(1, 2, 4, 4), [NONE, NONE])
    with pytest.raises(DataError, match=r"\(N, 2, h, w\)"):
        metric.update(torch.zeros(1, 3, 4, 4), [NONE])
    with pytest.raises(DataError, match="class 2"):
        metric.update(torch.zeros(1, 2, 4, 4), [box(2, 0, 0, 1, 1)])
    with pytest.raises(DataError, match=r"\(4,\)"):
        metric.update(torch.zeros(1, 2, 4, 4), [torch.zeros(4)])
    with pytest.raises(DataError, match="NaN"):
        metric.update(torch.full((1, 2, 4, 4), float("nan")), [box(0, 0, 0, 1, 1)])
    assert metric.support.tolist() == [0, 0]
    with pytest.raises(ConfigError, match="Did you mean 'sigmoid'"):
        PointAccuracy(2, (8, 8), activation="sigmoide")
    with pytest.raises(ConfigError, match="size"):
        PointAccuracy(2, (0, 8))
    with pytest.raises(ConfigError, match="merge"):
        metric.merge(PointAccuracy(2, (8, 9)))


def test_ties_by_hand():
    heatmap = torch.maximum(peak_at(3, 6), torch.maximum(peak_at(5, 1), peak_at(0, 0)))
    boxes = [torch.cat([box(0, 6, 3, 6, 3), box(0, 1, 5, 2, 5)])]
    assert accuracy(heatmap, boxes)[0] == [0.0]
    assert accuracy(heatmap, boxes, ties="any")[0] == [1.0]
    assert accuracy(heatmap, boxes, ties="expected")[0] == pytest.approx([2 / 3])
    with pytest.raises(ConfigError, match="ties='last'"):
        PointAccuracy(1, (8, 8), ties="last")


def test_parts_with_different_ties_do_not_merge():
    with pytest.raises(ConfigError, match="ties"):
        PointAccuracy(1, (8, 8)).merge(PointAccuracy(1, (8, 8), ties="any"))


@pytest.mark.parametrize(
    ("edges", "tolerance", "hit"),
    [
        ((5, 2, 5, 2), 1, 1.0),  # the peak itself
        ((6, 2, 7, 4), 1, 0.0),  # one pixel to the right: 1 < 1 is false
        ((6, 2, 7, 4), 1.5, 1.0),
        ((8 - 1, 4, 7, 4), 3, 1.0),  # dx² + dy² = 8 < 9
        ((7, 4, 7, 4), 2.8, 0.0),
        ((5.2, 0, 5.8, 7), 15, 0.0),  # no pixel's centre lies in the box
        ((6.5, 2, 9.5, 2), 2.1, 1.0),  # its first pixel is 7
    ],
)
def test_pointing_game_by_hand(edges, tolerance, hit):
    metric = PointingGame(1, (8, 8), tolerance=tolerance)
    metric.update(peak_at(2, 5), [box(0, *edges)])
    assert metric.compute().macro == hit


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), tolerance=st.floats(0.5, 8))
def test_pointing_game_agrees_with_every_pixel_of_the_disc(seed, tolerance):
    heatmaps, boxes = random_case(seed)
    metric = PointingGame(3, (11, 13), tolerance=tolerance)
    metric.update(heatmaps, boxes)
    hits = [0] * 3
    for image, image_boxes in enumerate(boxes):
        for label in {int(row[0]) for row in image_boxes}:
            peak = int(point.peak_indices(torch.sigmoid(heatmaps[image, label : label + 1]), (11, 13)))
            own = [row[1:].tolist() for row in image_boxes if int(row[0]) == label]
            disc = [
                (x, y)
                for y in range(11)
                for x in range(13)
                if (x - peak % 13) ** 2 + (y - peak // 13) ** 2 < tolerance**2
            ]
            hits[label] += any(x0 <= x <= x1 and y0 <= y <= y1 for x, y in disc for x0, y0, x1, y1 in own)
    assert metric.total.tolist() == hits


def test_no_tolerance_is_refused():
    with pytest.raises(ConfigError, match="tolerance=0"):
        PointingGame(1, (8, 8), tolerance=0)


def test_a_mask_is_narrower_than_its_box():
    ring = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    ring[..., 1, 1] = False
    heatmaps = torch.zeros(1, 1, 3, 3)
    heatmaps[..., 1, 1] = 1
    by_mask, by_box = HitRate(1, (3, 3)), PointAccuracy(1, (3, 3))
    by_mask.update(heatmaps, ring)
    by_box.update(heatmaps, [torch.tensor([[0.0, 0, 0, 2, 2]])])
    assert (by_mask.compute().macro, by_box.compute().macro) == (0.0, 1.0)
