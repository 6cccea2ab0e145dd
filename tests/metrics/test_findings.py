"""Boxes and masks of the same images: which of them counts where."""

from __future__ import annotations

import pytest
import torch
from metric_cases import CLASSES, NONE, SIZE, box, masks_of, random_case, random_masks

import pylon_zoo.metrics.pairs as pairs
from pylon_zoo.errors import DataError
from pylon_zoo.metrics import LOCALIZATION, EnergyPointingGame, HitRate, PeakIou, PixelPrecision, oracle_heatmaps
from pylon_zoo.metrics.findings import Drawn, drawn

BY_MASKS = [EnergyPointingGame, HitRate, PeakIou, PixelPrecision]


def judge(kind, heatmaps, regions):
    """The values after one batch."""
    metric = kind(CLASSES, SIZE)
    metric.update(heatmaps, regions)
    return metric.compute()


def test_without_a_mask_the_boxes_themselves_come_back():
    boxes = [box(0, 1, 1, 2, 2), NONE]
    assert drawn(boxes, []) is boxes
    assert drawn(boxes, [None, torch.zeros(2, 4, 4, dtype=torch.bool)]) is boxes


def test_masks_take_the_models_classes():
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[0, 0, 0] = masks[1, 0, 1] = masks[2, 1, 1] = True
    both = drawn([NONE], [masks], class_map=[5, None, 5])
    assert {label: mask.tolist() for label, mask in both.masks[0].items()} == {5: [[True, False], [False, True]]}
    assert masks[0].sum() == 1, "the dataset's own masks are left alone"


@pytest.mark.parametrize("kind", BY_MASKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_mask_stands_for_its_boxes_and_boxes_are_filled_in_elsewhere(kind, seed):
    """Every pair's region by itself: one dense mask of all says the same."""
    heatmaps, boxes = random_case(seed)
    masks = random_masks(seed)
    masks[1] = False  # drawn, but without a pixel at this size
    given = [None if image == 3 else masks[image] for image in range(len(boxes))]
    dense = masks_of(boxes)
    for image, mask in enumerate(given):
        for label in range(CLASSES):
            if mask is not None and mask[label].any():
                dense[image, label] = mask[label]
    both, alone = judge(kind, heatmaps, drawn(boxes, given)), judge(kind, heatmaps, dense)
    torch.testing.assert_close(both.per_class, alone.per_class, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(both.support, alone.support)
    assert not torch.equal(both.per_class, judge(kind, heatmaps, boxes).per_class)


@pytest.mark.parametrize("kind", BY_MASKS)
def test_chunks_change_nothing(kind, monkeypatch):
    heatmaps, boxes = random_case(4)
    regions = drawn(boxes, list(random_masks(4)))
    whole = judge(kind, heatmaps, regions)
    monkeypatch.setattr(pairs, "PIXELS_AT_ONCE", 1)
    assert torch.equal(judge(kind, heatmaps, regions).per_class, whole.per_class)


def test_the_oracle_is_the_mask():
    masks = random_masks(0)[:1]
    regions = drawn([box(0, 0, 0, 12, 10)], list(masks))
    heatmaps = oracle_heatmaps(regions, CLASSES, SIZE)
    assert torch.equal(heatmaps > 0, masks)
    for kind in BY_MASKS:
        assert judge(kind, heatmaps, regions).per_class.tolist() == [1.0] * CLASSES


def test_a_mask_without_a_box_is_a_finding():
    regions = drawn([NONE, NONE], [None, random_masks(0)[0]])
    assert judge(HitRate, torch.randn(2, CLASSES, 5, 4), regions).support.tolist() == [1] * CLASSES


def test_masks_that_do_not_fit_are_refused():
    heatmaps = torch.zeros(1, CLASSES, 5, 4)
    small, fitting = torch.ones(4, 4, dtype=torch.bool), torch.ones(*SIZE, dtype=torch.bool)
    for table, match in (({0: small}, r"shape \(4, 4\).*\(11, 13\)"), ({3: fitting}, "names class 3")):
        with pytest.raises(DataError, match=match):
            judge(EnergyPointingGame, heatmaps, Drawn([NONE], [table]))


def test_the_papers_metrics_are_judged_by_boxes():
    """Point accuracy and the metrics of boxes have the numbers they had before there were masks."""
    kinds = {name: make(1, (4, 4)).by_masks for name, make in LOCALIZATION.items()}
    masked = {"hit_rate", "energy", "relevance_rank", "pxap", "peak_iou", "iou"}
    assert {name for name, by_masks in kinds.items() if by_masks} == masked
