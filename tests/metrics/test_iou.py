"""IoU at thresholds per class, and at the best one."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from metric_cases import CLASSES, NONE, SIZE, box, masks_of, random_case, random_masks

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics import HeatmapIou, PeakIou
from pylon_zoo.metrics.findings import drawn
from pylon_zoo.metrics.geometry import upsample


def judge(values: list[list[float]], boxes: torch.Tensor, **options) -> HeatmapIou:
    """One map at its own size."""
    heatmap = torch.tensor([[values]])
    metric = HeatmapIou(1, tuple(heatmap.shape[2:]), **({"activation": None} | options))
    metric.update(heatmap, [boxes])
    return metric


def test_by_hand():
    values = [[0.9, 0.6, 0.2], [0.1, 0.6, 0.0]]
    assert judge(values, box(0, 1, 0, 2, 1), thresholds=0.6).compute().macro == pytest.approx(2 / 5)
    assert judge(values, box(0, 1, 0, 2, 1), thresholds=0.95).compute().macro == 0
    assert judge([[4.0, -4.0]], box(0, 0, 0, 0, 0), activation="sigmoid", thresholds=[0.9]).compute().macro == 1


def test_empty_predictions_count_or_do_not():
    assert judge([[0.1, 0.2]], box(0, 0, 0, 1, 0)).compute().support.tolist() == [1]
    assert judge([[0.1, 0.2]], box(0, 0, 0, 1, 0), true_positives_only=True).compute().support.tolist() == [0]


def test_maps_are_normalised_when_asked():
    assert judge([[10.0, 20.0, 30.0]], box(0, 1, 0, 2, 0), normalise=True, thresholds=0.5).compute().macro == 1
    assert judge([[7.0, 7.0]], box(0, 0, 0, 1, 0), normalise=True, thresholds=0.5).compute().macro == 0


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(seed):
    jaccard_score = import_module("sklearn.metrics").jaccard_score
    heatmaps, boxes = random_case(seed)
    thresholds = (0.3, 0.5, 0.7)
    metric = HeatmapIou(CLASSES, SIZE, thresholds=thresholds)
    metric.update(heatmaps, boxes)
    maps = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE).view(-1, CLASSES, *SIZE)
    masks = masks_of(boxes)
    for label, ours in enumerate(metric.compute().per_class.tolist()):
        own = [image for image in range(len(boxes)) if masks[image, label].any()]
        scores = [
            jaccard_score(masks[image, label].flatten(), (maps[image, label] >= thresholds[label]).flatten())
            for image in own
        ]
        assert ours == pytest.approx(sum(scores) / len(scores) if scores else float("nan"), nan_ok=True)


def test_bad_thresholds_are_refused():
    with pytest.raises(ConfigError, match="2 thresholds were given for 3 classes"):
        HeatmapIou(3, (2, 2), thresholds=[0.1, 0.2])
    with pytest.raises(ConfigError, match="NaN"):
        HeatmapIou(1, (2, 2), thresholds=[float("nan")])
    with pytest.raises(ConfigError, match="merge"):
        HeatmapIou(1, (2, 2), thresholds=0.2).merge(HeatmapIou(1, (2, 2), thresholds=0.3))


def peak(values: list[list[list[float]]], boxes: list[torch.Tensor]) -> PeakIou:
    """Maps of one class at their own size."""
    heatmaps = torch.tensor(values).unsqueeze(1)
    metric = PeakIou(1, tuple(heatmaps.shape[2:]), activation=None)
    metric.update(heatmaps, boxes)
    return metric


def test_the_best_threshold_by_hand():
    assert peak([[[4.0, 3.0, 2.0, 0.0]]], [box(0, 1, 0, 2, 0)]).compute().macro == pytest.approx(2 / 3)
    assert peak([[[0.0, 9.0, 9.0, 0.0]]], [box(0, 1, 0, 2, 0)]).pooled == 1
    assert peak([[[5.0, 5.0, 5.0, 5.0]]], [box(0, 1, 0, 1, 0)]).compute().macro == pytest.approx(1 / 4)
    # One threshold for both images, not the best of each: at 1, 1 of 1 + 0 of 2; at 0.5, (1 + 2) / (3 + 3).
    values = [[[1.0, 0.5, 0.5, 0.0]], [[1.0, 0.5, 0.5, 0.0]]]
    assert peak(values, [box(0, 0, 0, 0, 0), box(0, 1, 0, 2, 0)]).compute().macro == pytest.approx(3 / 6)


def test_a_class_without_a_pixel_has_no_peak():
    metric = peak([[[1.0, 0.0]]], [box(0, 0.2, 0, 0.8, 0)])
    assert np.isnan(metric.compute().macro)
    assert np.isnan(peak([[[1.0, 0.0]]], [NONE]).pooled)


@pytest.mark.parametrize("seed", range(3))
def test_the_peak_agrees_with_a_loop_over_masks(seed):
    heatmaps, boxes = random_case(seed)
    masks = random_masks(seed)
    metric = PeakIou(CLASSES, SIZE, interval=0.01)
    metric.update(heatmaps, drawn(boxes, list(masks)))
    maps = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE).view(-1, CLASSES, *SIZE).numpy()
    for label, ours in enumerate(metric.compute().per_class.tolist()):
        best = 0.0
        for threshold in np.append(np.arange(0, 1, 0.01), 1).astype(np.float32):
            both = either = 0
            for image, mask in enumerate(masks[:, label].numpy()):
                if mask.any():
                    own = maps[image, label]
                    cut = (own - own.min()) / (own.max() - own.min()) >= threshold
                    both, either = both + int((cut & mask).sum()), either + int((cut | mask).sum())
            best = max(best, both / either if either else 0.0)
        assert ours == pytest.approx(best)
