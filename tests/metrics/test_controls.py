"""The rows beside a metric's number."""

from __future__ import annotations

import pytest
import torch
from metric_cases import box

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics import PointAccuracy, centre_heatmaps, oracle_heatmaps, random_heatmaps


def test_random_maps_hit_as_often_as_the_box_is_large():
    metric = PointAccuracy(1, (20, 20))
    metric.update(random_heatmaps((4000, 1, 20, 20), seed=0), [box(0, 0, 0, 9, 9)] * 4000)
    assert metric.compute().macro == pytest.approx(0.25, abs=0.03)
    assert not torch.equal(random_heatmaps((1, 1, 2, 2), seed=0), random_heatmaps((1, 1, 2, 2), seed=1))


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (1, 1, 8, 8)])
def test_the_centre_is_the_centre(shape):
    heatmaps = centre_heatmaps(shape)
    assert heatmaps.shape == shape
    assert torch.equal(heatmaps, heatmaps.flip(2, 3))
    metric = PointAccuracy(shape[1], (21, 21), ties="expected")
    metric.update(heatmaps, [box(0, 8, 8, 12, 12)] * shape[0])
    assert metric.compute().macro == 1.0


def test_an_oracle_is_certain_in_float32():
    heatmaps = oracle_heatmaps([box(1, 0, 1, 1, 1), torch.zeros(0, 5)], 2, (2, 2))
    assert heatmaps.sigmoid().tolist() == [[[[0, 0], [0, 0]], [[0, 0], [1, 1]]], [[[0, 0]] * 2] * 2]
    assert torch.equal(oracle_heatmaps(heatmaps > 0, 2, (2, 2)), heatmaps)


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="shape"):
        random_heatmaps((1, 0, 2, 2), seed=0)
    with pytest.raises(ConfigError, match="sigma=0"):
        centre_heatmaps((1, 1, 2, 2), sigma=0)
    with pytest.raises(DataError, match="class 5"):
        oracle_heatmaps([box(5, 0, 0, 1, 1)], 2, (2, 2))
