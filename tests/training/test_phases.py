"""Two phases: what is trained in each, where the second begins, and going on from any save of either."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import pylon_zoo.training.loop as loop
from pylon_zoo.models.build import build_model
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.phase import Phase
from pylon_zoo.training.state import TrainingState, from_bytes, snapshot, to_bytes
from pylon_zoo.training.validation import Validation

BOTH = ["frozen", "trained"]


def small_model():
    torch.manual_seed(0)
    return build_model("pylon_test_resnet", 2, 1, encoder_kwargs={"drop_path_rate": 0.3})


@pytest.mark.slow
@pytest.mark.parametrize("norm_stats", ["move", "stay"])
def test_the_encoder_is_frozen_in_the_first_phase_and_trained_in_the_second(spots, make_recipe, norm_stats):
    recipe = make_recipe(phases={"encoder": BOTH, "norm_stats": norm_stats}, schedule={"max_epochs": 1})
    model = small_model()
    parameters = {f"encoder.{name}" for name, _ in model.encoder.named_parameters()}
    statistics = {name for name in model.state_dict() if name.endswith(("running_mean", "running_var"))}
    statistics = {name for name in statistics if name.startswith("encoder.")}
    assert parameters
    assert statistics
    seen = [snapshot(model)]
    for _ in fit(model, spots(), spots("val"), recipe, make_accelerator("cpu", "no")):
        seen.append(snapshot(model))
    start, first, second = seen
    assert all(torch.equal(start[name], first[name]) for name in parameters)
    moved = [not torch.equal(start[name], first[name]) for name in statistics]
    assert all(moved) if norm_stats == "move" else not any(moved)
    assert not torch.equal(start["head.weight"], first["head.weight"])
    assert all(not torch.equal(first[name], second[name]) for name in parameters | statistics)


@pytest.mark.slow
def test_the_second_phase_begins_at_the_first_ones_best_weights_with_nothing_else_of_it(
    spots, make_recipe, monkeypatch
):
    losses, begun, seen = iter([0.5, 0.3, 0.4, 0.45, 0.42, 0.1]), [], []
    monkeypatch.setattr(loop, "judge", lambda keeper, states: Validation(next(losses), 0.5, math.nan))

    class Watched(Phase):
        def __init__(self, model, *args):
            super().__init__(model, *args)
            begun.append((snapshot(model), dict(self.optimizer.state_dict()["state"]), self.schedule.state_dict()))

    monkeypatch.setattr(loop, "Phase", Watched)
    recipe = make_recipe(phases={"encoder": BOTH}, schedule={"name": "plateau", "max_epochs": 3})
    model, epochs = small_model(), []
    for epoch in fit(model, spots(count=4), spots("val", count=4), recipe, make_accelerator("cpu", "no")):
        epochs.append(epoch)
        seen.append(snapshot(model))
    weights, moments, schedule = begun[1]
    assert all(torch.equal(weights[name], value) for name, value in seen[1].items())
    assert any(not torch.equal(weights[name], value) for name, value in seen[2].items())
    assert moments == {}
    assert schedule == {"best": math.inf, "bad": 0, "cuts": 0}
    assert [epoch.phase for epoch in epochs] == [1, 1, 1, 2, 2, 2]
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert [epoch.best for epoch in epochs] == [True, True, False, False, False, True], "of the run, not of a phase"


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"accumulate": 2}])
def test_from_any_save_of_any_phase_it_goes_on_to_the_same_weights(spots, make_recipe, settings):
    recipe = make_recipe(
        phases={"encoder": BOTH}, schedule={"name": "plateau"}, loop={"save_every": 1, "batch_size": 4, **settings}
    )
    saves = []

    def run(state=None):
        model = small_model()
        options = {"state": state, "save": lambda parts: saves.append(to_bytes(parts))}
        epochs = list(
            fit(model, spots(count=8), spots("val", count=8), recipe, make_accelerator("cpu", "no"), **options)
        )
        return model.state_dict(), epochs

    weights, epochs = run()
    kept = list(saves)
    assert len(kept) == 8
    for content in kept:
        state = TrainingState.from_dict(from_bytes(content, Path("state")))
        done = state.epochs
        again, rest = run(state)
        assert all(torch.equal(again[name], value) for name, value in weights.items())
        assert [epoch.loss for epoch in rest] == [epoch.loss for epoch in epochs[done:]]
        assert [epoch.validation for epoch in rest] == [epoch.validation for epoch in epochs[done:]]
