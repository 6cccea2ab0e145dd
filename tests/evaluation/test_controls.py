"""Controls, and the doubt that an evaluation carries along."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.controls import Controls


def test_a_random_map_hits_as_often_as_the_box_is_large():
    controls = Controls(1)
    box = torch.tensor([[0.0, 8, 8, 39, 39]])  # a quarter of 64 × 64
    controls.update([box] * 400, (64, 64), [f"{index}.png" for index in range(400)])
    results = controls.compute()
    assert results["random"]["point_accuracy"].macro == pytest.approx(0.25, abs=0.08)
    assert results["centre"]["point_accuracy"].macro == 1.0
    assert results["oracle"]["point_accuracy"].macro == 1.0


@pytest.mark.parametrize("size", [(64, 64), (65, 33), (128, 96)])
def test_the_centre_is_the_middle_pixel(size):
    controls = Controls(2)
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    controls.update([torch.tensor([[1.0, x - 1, y - 1, x + 1, y + 1]])], size, ["a"])
    assert controls.compute()["centre"]["point_accuracy"].macro == 1.0


def test_an_oracle_cannot_hit_a_box_without_a_pixel():
    controls = Controls(1)
    controls.update([torch.tensor([[0.0, 3.2, 3.2, 3.8, 3.8]])], (8, 8), ["a"])
    assert controls.compute()["oracle"]["point_accuracy"].macro == 0.0


def test_an_evaluation_has_controls_and_intervals_whatever_the_batches(cards, oracle):
    one, two = (evaluate(oracle, cards(), batch_size=size, bootstrap=50) for size in (1, 5))
    assert one.controls["oracle"]["point_accuracy"].macro == 1.0
    for control in ("random", "centre"):
        assert one.controls[control]["point_accuracy"].macro < 1
        assert torch.equal(
            one.controls[control]["point_accuracy"].per_class, two.controls[control]["point_accuracy"].per_class
        )
    assert one.intervals["auroc"].macro == (1.0, 1.0)
    assert torch.equal(one.intervals["point_accuracy"].low, two.intervals["point_accuracy"].low)
    assert one.intervals["point_accuracy"].low.tolist() == pytest.approx([0.342, 0.510], abs=1e-3)  # Wilson's, 2 and 4
    assert one.auprc.macro == 1.0
    assert one.records.paths == two.records.paths
    assert one.records.outcomes.values.tolist() == [1.0] * 6
    assert one.records.outcomes.areas.tolist() == pytest.approx([9 / 32**2] * 6)
    assert evaluate(oracle, cards()).intervals == {}


def test_another_metric_is_a_line_in_the_table(cards, oracle, monkeypatch):
    from pylon_zoo.metrics import LOCALIZATION, PointAccuracy

    monkeypatch.setitem(LOCALIZATION, "again", PointAccuracy)
    result = evaluate(oracle, cards(), metrics=["again"])
    assert torch.equal(result.others["again"].per_class, result.point_accuracy.per_class)
    assert result.controls["oracle"]["again"].macro == 1.0
