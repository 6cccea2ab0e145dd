"""T(IoU) and T(IoBB) by both rules, by hand and pixel by pixel."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from metric_cases import CLASSES, SIZE, box, masks_of, random_case

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics import OverlapAccuracy, RegionAccuracy
from pylon_zoo.metrics.geometry import upsample
from pylon_zoo.metrics.overlap import best_overlap, box_overlap


def judge(kind, values: list[list[float]], boxes: torch.Tensor, **options):
    """One map at its own size, left as it is."""
    heatmap = torch.tensor([[values]])
    metric = kind(1, tuple(heatmap.shape[2:]), activation=None, **options)
    metric.update(heatmap, [boxes])
    return metric


def test_half_of_the_maximum_by_hand():
    values = [[8.0, 5.0, 4.0, 0.0]]  # predicted: 8 and 5; 4 is not above half
    for boxes, options, right in (
        (box(0, 1, 0, 3, 0), {"overlap": "iobb", "threshold": 0.49}, 1),  # 1 of 2 predicted
        (box(0, 1, 0, 3, 0), {"overlap": "iobb", "threshold": 0.5}, 0),  # not above 0.5
        (box(0, 1, 0, 3, 0), {"overlap": "iou", "threshold": 0.24}, 1),  # 1 of 4
        (box(0, 1, 0, 3, 0), {"overlap": "iou", "threshold": 0.25}, 0),
        (box(0, 1, 0, 3, 0), {"overlap": "either", "threshold": 0.25}, 1),
        (box(0, 2, 0, 3, 0), {"overlap": "either", "threshold": 0.0}, 0),
        (box(0, 2, 0, 3, 0), {"overlap": "either", "threshold": 0.1, "level": 0.4}, 1),
    ):
        assert judge(OverlapAccuracy, values, boxes, **options).compute().macro == right


def test_a_map_without_a_positive_value_predicts_nothing():
    for values in ([[0.0, 0.0]], [[-1.0, -2.0]]):
        assert judge(OverlapAccuracy, values, box(0, 0, 0, 1, 0)).compute().macro == 0


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_published_formula(threshold, seed):
    heatmaps, boxes = random_case(seed)
    metric = OverlapAccuracy(CLASSES, SIZE, threshold=threshold)
    metric.update(heatmaps, boxes)
    right = torch.zeros(CLASSES)
    maps = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE).view(-1, CLASSES, *SIZE)
    for heatmap, truth in zip(maps, masks_of(boxes), strict=True):
        for label in range(CLASSES):
            predicted = heatmap[label] / heatmap[label].max() > 0.5
            both = (predicted & truth[label]).sum()
            iou = both / (predicted | truth[label]).sum()
            right[label] += bool(truth[label].any()) and bool(both / predicted.sum() > threshold or iou > threshold)
    assert metric.total.tolist() == right.tolist()


def test_regions_by_hand():
    # Scaled: 255, 63, 0, 255, 0, 102. At 60: [0, 1], [3], [5]; at 180: [0], [3].
    values = [[10.0, 2.5, 0.0, 10.0, 0.0, 4.0]]
    metric = judge(RegionAccuracy, values, box(0, 0, 0, 3, 0), threshold=0.5, overlap="iou")
    assert metric.compute().macro == 1  # [0, 1] has IoU 2 / 4
    assert metric.false_positives_per_image == 4
    assert judge(RegionAccuracy, values, box(0, 0, 0, 3, 0), threshold=0.6, overlap="iou").compute().macro == 0
    metric = judge(RegionAccuracy, values, box(0, 0, 0, 3, 0), threshold=0.9, overlap="iobb")
    assert (metric.compute().macro, metric.false_positives_per_image) == (1, 1)
    assert metric.average_false_positives().per_class.tolist() == [1]


def test_each_box_is_compared_by_itself():
    boxes = torch.cat([box(0, 0, 0, 0, 0), box(0, 1, 0, 1, 0)])
    assert judge(RegionAccuracy, [[1.0, 1.0, 0.0]], boxes, threshold=0.6, overlap="iou").compute().macro == 0


def test_a_flat_map_predicts_nothing():
    metric = judge(RegionAccuracy, [[3.0, 3.0]], box(0, 0, 0, 1, 0))
    assert (metric.compute().macro, metric.false_positives_per_image) == (0, 0)


@pytest.mark.parametrize("overlap", ["iou", "iobb"])
@pytest.mark.parametrize("seed", range(3))
def test_regions_agree_with_scikit_image(overlap, seed):
    measure = import_module("skimage.measure")
    heatmaps, boxes = random_case(seed)
    metric = RegionAccuracy(CLASSES, SIZE, threshold=0.25, overlap=overlap)
    metric.update(heatmaps, boxes)
    full = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE).view(-1, CLASSES, *SIZE)
    right, wrong = [0] * CLASSES, [0] * CLASSES
    for maps, rows in zip(full, boxes, strict=True):
        for label in {int(row[0]) for row in rows}:
            scaled = (maps[label] - maps[label].min()) / (maps[label].max() - maps[label].min()) * 255
            truths = [masks_of([row.unsqueeze(0)])[0, label] for row in rows if int(row[0]) == label]
            hits = []
            for level in (60, 180):
                for region in measure.regionprops(measure.label((scaled >= level).numpy(), connectivity=2)):
                    y0, x0, y1, x1 = region.bbox
                    predicted = torch.zeros(SIZE, dtype=torch.bool)
                    predicted[y0:y1, x0:x1] = True
                    areas = [predicted.sum() if overlap == "iobb" else (predicted | truth).sum() for truth in truths]
                    both = [(predicted & truth).sum() for truth in truths]
                    hits.append(any(float(b) / float(a) >= 0.25 for a, b in zip(areas, both, strict=True)))
            right[label] += any(hits)
            wrong[label] += hits.count(False)
    assert (metric.total.tolist(), metric.false_positives.tolist()) == (right, wrong)


def test_box_overlap_by_hand():
    boxes = torch.tensor([[1, 1, 2, 2], [5, 5, 6, 6]])
    assert box_overlap(torch.tensor([[0, 0, 1, 1]] * 2), boxes).tolist() == [1 / 7, 0]
    assert box_overlap(torch.tensor([[0, 0, 1, 1]]), boxes[:1], "iobb").tolist() == [1 / 4]


def test_predictions_see_the_boxes_of_their_own_pair_only():
    boxes, owner = torch.tensor([[9, 9, 9, 9], [0, 0, 1, 1], [0, 0, 0, 0]]), torch.tensor([2, 0, 0])
    predicted = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0], [9, 9, 9, 9], [0, 0, 1, 1]])
    assert best_overlap(predicted, torch.tensor([0, 1, 2, 0]), boxes, owner).tolist() == [1, 0, 1, 1]
    assert best_overlap(predicted[:0], torch.zeros(0).long(), boxes, owner).shape == (0,)


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="overlap='dice'"):
        OverlapAccuracy(1, (2, 2), overlap="dice")
    with pytest.raises(ConfigError, match="overlap='either'"):
        RegionAccuracy(1, (2, 2), overlap="either")
    with pytest.raises(ConfigError, match="threshold=1"):
        OverlapAccuracy(1, (2, 2), threshold=1)
    with pytest.raises(ConfigError, match="level=1"):
        OverlapAccuracy(1, (2, 2), level=1)
    with pytest.raises(ConfigError, match="levels="):
        RegionAccuracy(1, (2, 2), levels=(0, 300))
