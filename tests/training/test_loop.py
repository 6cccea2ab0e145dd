"""The loop: it learns, it is deterministic, it evaluates when told, it stops when it must."""

from __future__ import annotations

import math

import pytest
import torch

import pylon_zoo.training.loop as loop
from pylon_zoo.errors import DataError, PylonZooError
from pylon_zoo.models.build import build_model
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.loss import DivergedError
from pylon_zoo.training.validation import Validation


def run(recipe, train_set, val_set, precision="no", **options):
    """(model, epochs) of a run of the recipe's model on small data."""
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 2, 1, **options)
    return model, list(fit(model, train_set, val_set, recipe, make_accelerator("cpu", precision)))


@pytest.fixture
def fake_validation(monkeypatch):
    """Validation losses from a list instead of a model."""

    def fake(losses):
        left = iter(losses)
        monkeypatch.setattr(loop, "judge", lambda keeper, states: Validation(next(left), 0.5, math.nan))

    return fake


@pytest.mark.slow
def test_it_learns_where_the_spots_are(spots, make_recipe):
    recipe = make_recipe(schedule={"max_epochs": 12, "evaluate_every": 12})
    _, epochs = run(recipe, spots(count=32), spots("train", count=32))
    last = epochs[-1].validation
    assert epochs[-1].loss < 0.1 * epochs[0].loss
    assert last.auroc > 0.95
    assert last.point_accuracy > 0.3, "a random pixel is right in 0.14 of the cases"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(spots, make_recipe):
    recipe = make_recipe()
    first, epochs = run(recipe, spots(), spots("val"))
    torch.rand(3)
    second, again = run(recipe, spots(), spots("val"))
    assert [epoch.validation for epoch in epochs] == [epoch.validation for epoch in again]
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    other, _ = run(make_recipe(loop={"seed": 1}), spots(), spots("val"))
    assert any(not torch.equal(one, two) for one, two in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("every", "evaluated"), [(1, [1, 2, 3, 4]), (3, [3, 4]), (9, [4])])
def test_it_evaluates_every_so_often_and_at_the_end(spots, make_recipe, every, evaluated):
    recipe = make_recipe(schedule={"max_epochs": 4, "evaluate_every": every})
    _, epochs = run(recipe, spots(count=4), spots("val", count=4))
    assert [epoch.epoch for epoch in epochs if epoch.validation] == evaluated
    assert epochs[-1].epoch == 4


def test_the_best_epoch_is_the_one_with_the_lowest_validation_loss(spots, make_recipe, fake_validation):
    fake_validation([0.5, 0.6, 0.4, 0.4, 0.3])
    _, epochs = run(make_recipe(schedule={"max_epochs": 5}), spots(count=4), spots("val", count=4))
    assert [epoch.best for epoch in epochs] == [True, False, True, False, True]


@pytest.mark.slow
def test_a_plateau_cuts_the_rate_and_ends_the_run(spots, make_recipe, fake_validation):
    fake_validation([0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1])
    recipe = make_recipe(schedule={"name": "plateau", "max_epochs": 20}, optimizer={"lr": 1e-4})
    _, epochs = run(recipe, spots(count=4), spots("val", count=4))
    rates = [epoch.lr for epoch in epochs]
    assert rates == pytest.approx([1e-4] * 4 + [2e-5] * 2 + [4e-6] * 2)


@pytest.mark.slow
def test_the_cosine_ends_near_zero(spots, make_recipe):
    _, epochs = run(make_recipe(schedule={"max_epochs": 3}), spots(), spots("val", count=4))
    rates = [epoch.lr for epoch in epochs]
    assert rates[0] > rates[1] > rates[2] > 0
    assert rates[2] < 0.1 * 3e-3


def test_a_broken_pixel_stops_the_run_and_names_its_place(spots, make_recipe):
    with pytest.raises(
        DivergedError, match=r"nan in epoch 1, step 1, whose images are 'train/[01]\.png', 'train/[01]\.png'"
    ):
        run(make_recipe(), spots(count=2, broken=0), spots("val"))


def test_a_loss_that_is_not_finite_leaves_the_weights_alone(spots, make_recipe):
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 2, 1)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(DivergedError):
        next(fit(model, spots(count=2, broken=0), spots("val"), make_recipe(), make_accelerator("cpu", "no")))
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))


def test_a_diverged_validation_stops_the_run(spots, make_recipe):
    with pytest.raises(PylonZooError, match=r"validation loss is nan|heatmap holds NaN"):
        run(make_recipe(), spots(), spots("val", broken=0))


def test_an_empty_split_is_refused(spots, make_recipe):
    with pytest.raises(DataError, match="val split of spots has no images"):
        run(make_recipe(), spots(), spots("val", count=0))


def test_a_frozen_encoder_is_not_trained(spots, make_recipe):
    model = build_model("pylon_test_resnet", 2, 1)
    encoder = [parameter.clone() for parameter in model.encoder.parameters()]
    head = model.head.weight.clone()
    recipe = make_recipe(phases={"encoder": ["frozen"]})
    list(fit(model, spots(), spots("val"), recipe, make_accelerator("cpu", "no")))
    assert all(torch.equal(one, two) for one, two in zip(encoder, model.encoder.parameters(), strict=True))
    assert not torch.equal(head, model.head.weight)


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "precision"), [({"channels_last": True}, "no"), ({}, "bf16")])
def test_layout_and_precision_are_options(spots, make_recipe, settings, precision):
    slow = {"optimizer": {"lr": 1e-6}, "schedule": {"max_epochs": 1}}
    _, (epoch,) = run(make_recipe(**slow, loop=settings), spots(), spots("val"), precision)
    _, (plain,) = run(make_recipe(**slow), spots(), spots("val"))
    assert epoch.loss == pytest.approx(plain.loss, rel=0.02)
    assert epoch.validation.loss == pytest.approx(plain.validation.loss, rel=0.02)


def test_a_model_without_heatmaps_trains(spots, make_recipe):
    _, epochs = run(make_recipe(), spots(), spots("val"), head_mlp_layers=2)
    assert math.isnan(epochs[-1].validation.point_accuracy)
    assert math.isfinite(epochs[-1].validation.auroc)


def test_speed_is_measured(spots, make_recipe):
    _, epochs = run(make_recipe(), spots(), spots("val"))
    assert 0 < 16 / epochs[0].images_per_second < epochs[0].seconds


def test_the_bar_shows_the_loss_and_the_last_evaluations_figures(spots, make_recipe, fake_validation, monkeypatch):
    fake_validation([0.5, 0.4])
    shown = []

    def bar(batches, label, images, show, figures=dict):
        for batch in batches:
            yield batch
            shown.append((label, figures()))

    monkeypatch.setattr(loop, "bar", bar)
    run(make_recipe(), spots(count=16), spots("val", count=4))
    training = [figures for label, figures in shown if label.startswith("epoch")]
    assert [sorted(figures) for figures in training] == [["loss"]] * 2 + [["AUROC", "loss"]] * 2  # no boxes, no points
    assert training[-1]["AUROC"] == "0.500"
    assert float(training[0]["loss"]) > 0


def test_point_accuracy_is_shown_where_it_is_measured(spots, make_recipe, monkeypatch):
    monkeypatch.setattr(loop, "judge", lambda keeper, states: Validation(0.5, 0.75, 0.25))
    last = []

    def bar(batches, label, images, show, figures=dict):
        for batch in batches:
            yield batch
            last[:] = [figures()] if label.startswith("epoch") else last

    monkeypatch.setattr(loop, "bar", bar)
    run(make_recipe(), spots(count=16), spots("val", count=4))
    assert last[0]["point acc."] == "0.250"
