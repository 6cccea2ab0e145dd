"""IoU at thresholds per class."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from metric_cases import CLASSES, SIZE, box, masks_of, random_case

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics import HeatmapIou
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
