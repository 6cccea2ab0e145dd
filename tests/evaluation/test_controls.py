"""Controls, and the doubt that an evaluation carries along."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.evaluation import controls as controls_module
from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.controls import Controls
from pylon_zoo.metrics import LOCALIZATION


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


def test_images_one_by_one_and_together_are_judged_the_same(monkeypatch):
    size, names, found = (24, 20), tuple(LOCALIZATION), []
    generator = torch.Generator().manual_seed(0)
    boxes = [torch.tensor([[index % 2, index, 2.0, index + 6.0, 11.0]]) for index in range(6)]
    boxes[1] = torch.zeros(0, 5)  # with a mask alone
    boxes[3] = torch.zeros(0, 5)  # with nothing
    masks = [torch.rand(2, *size, generator=generator) > 0.8 if index in (1, 4) else None for index in range(6)]
    paths = [f"{index}.png" for index in range(6)]
    for parts, pixels in (
        ([slice(0, 6)], 10**6),
        ([slice(0, 6)], 2 * 2 * 24 * 20),
        ([slice(i, i + 1) for i in range(6)], 1),
    ):
        monkeypatch.setattr(controls_module, "PIXELS_AT_ONCE", pixels)
        controls = Controls(2, names)
        for part in parts:
            controls.update(boxes[part], size, paths[part], masks[part])
        found.append(controls.compute())
    for other in found[1:]:
        for control, results in found[0].items():
            for name, result in results.items():
                assert torch.equal(result.per_class, other[control][name].per_class), (control, name)
                assert torch.equal(result.support, other[control][name].support)
    assert found[0]["oracle"]["hit_rate"].support.tolist() == [4, 3]
    assert found[0]["oracle"]["point_accuracy"].support.tolist() == [3, 1]


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
