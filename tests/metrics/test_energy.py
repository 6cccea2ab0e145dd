"""Mass and rank on the finding: by hand, and against Quantus where it is installed."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from metric_cases import CLASSES, NONE, SIZE, box, masks_of, random_case

from pylon_zoo.metrics import EnergyPointingGame, RelevanceRank
from pylon_zoo.metrics.geometry import upsample


def judge(kind, values: list[list[float]], boxes: torch.Tensor, **options) -> float:
    """One map at its own size."""
    heatmap = torch.tensor([[values]])
    metric = kind(1, tuple(heatmap.shape[2:]), **({"activation": None} | options))
    metric.update(heatmap, [boxes])
    return metric.compute().macro


def test_mass_by_hand():
    values = [[1.0, 2.0, 3.0], [0.0, 4.0, 0.0]]
    assert judge(EnergyPointingGame, values, box(0, 1, 0, 1, 1)) == pytest.approx(6 / 10)
    assert judge(EnergyPointingGame, values, torch.cat([box(0, 1, 0, 1, 1), box(0, 0, 0, 1, 0)])) == pytest.approx(0.7)
    assert judge(EnergyPointingGame, values, box(0, 1.5, 0, 1.9, 1)) == 0  # between the pixels' centres
    assert judge(EnergyPointingGame, [[0.0, 0.0]], box(0, 0, 0, 0, 0), activation="sigmoid") == pytest.approx(0.5)


def test_negative_mass_is_none():
    assert judge(EnergyPointingGame, [[-5.0, 1.0, 3.0]], box(0, 0, 0, 1, 0)) == pytest.approx(1 / 4)
    assert judge(EnergyPointingGame, [[-5.0, -1.0]], box(0, 0, 0, 0, 0)) == 0


def test_huge_values_do_not_overflow():
    assert judge(EnergyPointingGame, [[3e38, 3e38, 3e38, 3e38]], box(0, 0, 0, 0, 0)) == pytest.approx(1 / 4)


def test_rank_by_hand():
    values = [[9.0, 8.0, 1.0], [7.0, 2.0, 3.0]]
    assert judge(RelevanceRank, values, box(0, 0, 0, 1, 0)) == 1
    assert judge(RelevanceRank, values, box(0, 1, 0, 2, 1)) == pytest.approx(2 / 4)  # strongest four: 9 8 7 3
    assert judge(RelevanceRank, values, box(0, 2, 0, 2, 0)) == 0


def test_ties_share_the_places_left():
    assert judge(RelevanceRank, [[1.0, 1.0, 1.0, 1.0]], box(0, 2, 0, 2, 0)) == pytest.approx(1 / 4)
    # Places: 5 is outside, then one place for three equals, of which two lie inside.
    assert judge(RelevanceRank, [[5.0, 1.0, 1.0, 1.0]], box(0, 1, 0, 2, 0)) == pytest.approx((2 / 3) / 2)


def test_a_region_without_a_pixel_has_no_rank():
    metric = RelevanceRank(1, (1, 3), activation=None)
    metric.update(torch.ones(2, 1, 1, 3), [box(0, 0.2, 0, 0.8, 0), NONE])
    assert metric.compute().support.tolist() == [0]


@pytest.mark.parametrize(
    ("kind", "theirs"), [(EnergyPointingGame, "RelevanceMassAccuracy"), (RelevanceRank, "RelevanceRankAccuracy")]
)
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_quantus(kind, theirs, seed):
    quantus = import_module("quantus")
    heatmaps, boxes = random_case(seed)
    metric = kind(CLASSES, SIZE)
    metric.update(heatmaps, boxes)
    masks = masks_of(boxes).flatten(0, 1)
    maps = upsample(heatmaps.sigmoid().flatten(0, 1), SIZE)
    rows = masks.flatten(1).any(dim=1)
    judge = getattr(quantus, theirs)(normalise=False, abs=False, disable_warnings=True)
    scores = torch.tensor(judge.evaluate_batch(maps[rows].numpy(), masks[rows].numpy()), dtype=torch.float64)
    labels = (torch.arange(len(rows)) % CLASSES)[rows]
    for label, ours in enumerate(metric.compute().per_class.tolist()):
        expected = scores[labels == label].mean().item()
        assert ours == pytest.approx(expected, abs=1e-6, nan_ok=True)
