"""What every localization metric keeps: parts merge, order and mirrors do not matter, an oracle scores 1."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import CLASSES, NONE, SIZE, box, flip, masks_of, random_case

import pylon_zoo.metrics.pairs as pairs
from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics import (
    EnergyPointingGame,
    HeatmapIou,
    HitRate,
    MaxBoxAccuracy,
    OverlapAccuracy,
    PeakIou,
    PixelPrecision,
    PointAccuracy,
    PointingGame,
    RegionAccuracy,
    RelevanceRank,
    oracle_heatmaps,
)

METRICS = {
    "point": PointAccuracy,
    "point_any": partial(PointAccuracy, ties="any"),
    "point_expected": partial(PointAccuracy, ties="expected"),
    "hit_rate": HitRate,
    "pointing_game": partial(PointingGame, tolerance=3),
    "energy": EnergyPointingGame,
    "rank": RelevanceRank,
    "overlap": OverlapAccuracy,
    "overlap_iou": partial(OverlapAccuracy, overlap="iou", threshold=0.25),
    "region_iobb": partial(RegionAccuracy, threshold=0.5),
    "region_iou": partial(RegionAccuracy, overlap="iou", threshold=0.25),
    "iou": HeatmapIou,
    "iou_chexlocalize": partial(HeatmapIou, normalise=True, true_positives_only=True, thresholds=(0.3, 0.5, 0.6)),
    "max_box": partial(MaxBoxAccuracy, edges="closed", interval=0.05),
    "pxap": PixelPrecision,
    "peak_iou": PeakIou,
}
# These compare with each box by itself, and a mask does not remember where overlapping boxes began.
BY_BOX = ("region_iobb", "region_iou", "max_box")
every_metric = pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
boxes_and_masks = pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
# No deadline: the machine may be busy. Few examples: there are many metrics.
few = settings(max_examples=8, deadline=None)


def judge(make, heatmaps, regions):
    """The metric after one batch."""
    metric = make(CLASSES, SIZE)
    metric.update(heatmaps, regions)
    return metric


def same(first, second) -> None:
    """Equal results, to the last digits."""
    first, second = first.compute(), second.compute()
    torch.testing.assert_close(first.per_class, second.per_class, equal_nan=True, rtol=1e-6, atol=1e-6)
    assert torch.equal(first.support, second.support)


@pytest.mark.slow
@every_metric
@few
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 7))
def test_merged_parts_equal_the_whole_in_any_order(make, seed, cut):
    heatmaps, boxes = random_case(seed)
    first, second = make(CLASSES, SIZE), make(CLASSES, SIZE)
    first.update(heatmaps[:cut], boxes[:cut])
    for image in reversed(range(cut, 7)):
        second.update(heatmaps[image : image + 1], boxes[image : image + 1])
    assert second.merge(first) is second
    same(second, judge(make, heatmaps, boxes))


@every_metric
@few
@given(seed=st.integers(0, 10_000), vertical=st.booleans())
def test_mirrors_change_nothing(make, seed, vertical):
    # At their own size: PyTorch's bilinear weights of a mirrored place round differently, which moves ties.
    heatmaps, boxes = random_case(seed, coarse=SIZE)
    same(judge(make, heatmaps, boxes), judge(make, *flip(heatmaps, boxes, vertical)))


@pytest.mark.slow
@pytest.mark.parametrize("make", [METRICS[name] for name in METRICS if name not in BY_BOX])
@few
@given(seed=st.integers(0, 10_000))
def test_boxes_and_their_masks_give_the_same(make, seed):
    heatmaps, boxes = random_case(seed)
    same(judge(make, heatmaps, boxes), judge(make, heatmaps, masks_of(boxes)))


@every_metric
@boxes_and_masks
@few
@given(seed=st.integers(0, 10_000))
def test_an_oracle_scores_one(make, masks, seed):
    # One finding per class and image: where boxes overlap, the region is no longer any one box.
    boxes = [torch.cat([box(label, *corners) for label, corners in enumerate(rows)]) for rows in corners_of(seed)]
    regions = masks_of(boxes) if masks else boxes
    result = judge(make, oracle_heatmaps(regions, CLASSES, SIZE), regions).compute()
    assert result.per_class.tolist() == pytest.approx([1.0] * CLASSES)
    assert result.support.tolist() == [4] * CLASSES


def corners_of(seed: int) -> list[list[list[float]]]:
    """4 images with one box for each of 3 classes, at least 2 by 2 pixels."""
    generator = torch.Generator().manual_seed(seed)
    low = (torch.rand(4, CLASSES, 2, generator=generator) * torch.tensor([8.0, 6.0])).round()
    side = (torch.rand(4, CLASSES, 2, generator=generator) * 3).round() + 1
    return torch.cat([low, low + side], dim=2).tolist()


@every_metric
def test_chunks_change_nothing(make, monkeypatch):
    heatmaps, boxes = random_case(3)
    whole = judge(make, heatmaps, boxes)
    monkeypatch.setattr(pairs, "PIXELS_AT_ONCE", 1)
    same(judge(make, heatmaps, boxes), whole)


@every_metric
def test_classes_without_a_finding_have_no_value(make):
    result = judge(make, torch.randn(2, CLASSES, 5, 4), [NONE, box(1, 2, 2, 5, 5)]).compute()
    assert result.support.tolist() == [0, 1, 0]
    assert [math.isnan(value) for value in result.per_class] == [True, False, True]
    assert math.isnan(judge(make, torch.zeros(0, CLASSES, 5, 4), []).compute().macro)


@every_metric
def test_bad_input_is_refused_and_leaves_no_trace(make):
    metric = make(CLASSES, SIZE)
    good = torch.zeros(2, CLASSES, 5, 4)
    broken = good.clone()
    broken[1, 2, 0, 0] = float("nan")
    for heatmaps, regions, match in (
        (good, [NONE], "boxes for 1 images"),
        (good[:, :2], [NONE, NONE], r"\(N, 3, h, w\)"),
        (good, [box(0, 1, 1, 2, 2), box(3, 1, 1, 2, 2)], "class 3"),
        (good, [torch.zeros(4), NONE], r"image 0 have shape \(4,\)"),
        (good, torch.zeros(2, CLASSES, 5, 4, dtype=torch.bool), r"\(2, 3, 11, 13\)"),
        (broken, [box(0, 1, 1, 2, 2), box(2, 1, 1, 2, 2)], "NaN or infinity"),
    ):
        with pytest.raises(DataError, match=match):
            metric.update(heatmaps, regions)
    assert metric.compute().support.tolist() == [0] * CLASSES
    with pytest.raises(ConfigError, match="activation='tanh'"):
        make(CLASSES, SIZE, activation="tanh")
    with pytest.raises(ConfigError, match="size"):
        make(0, SIZE)
    with pytest.raises(ConfigError, match="merge"):
        metric.merge(make(CLASSES, (11, 12)))
