"""Two learning rates: the encoder's and the rest's, both on the schedule."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.models.build import build_model
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.phase import Phase, make_optimizer
from pylon_zoo.training.recipe_files import list_recipes, load_recipe
from pylon_zoo.training.rules import ALWAYS, DECODERS
from pylon_zoo.training.state import from_bytes, to_bytes


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("pylon_test_resnet", 2, 1)


def test_without_a_rate_of_its_own_the_encoder_is_in_the_one_group(model, make_recipe):
    (group,) = make_optimizer(model, make_recipe()).param_groups
    assert [id(one) for one in group["params"]] == [id(one) for one in model.parameters()]


def test_each_parameter_is_in_one_group_at_its_rate(model, make_recipe):
    rest, encoder = make_optimizer(model, make_recipe(optimizer={"encoder_lr": 1e-4})).param_groups
    assert (rest["lr"], encoder["lr"]) == (3e-3, 1e-4)
    assert {id(one) for one in encoder["params"]} == {id(one) for one in model.encoder.parameters()}
    everything = [id(one) for group in (rest, encoder) for one in group["params"]]
    assert sorted(everything) == sorted(id(one) for one in model.parameters())


def test_both_rates_follow_the_schedule(model, make_recipe):
    recipe = make_recipe(optimizer={"encoder_lr": 1e-4}, schedule={"options": {"warmup": 0.5}})
    phase = Phase(model, recipe, make_accelerator("cpu", "no"), "trained")
    phase.set_rates(0.25)
    assert [group["lr"] for group in phase.optimizer.param_groups] == pytest.approx([1.5e-3, 5e-5])


def test_a_frozen_encoder_leaves_no_empty_group(model, make_recipe):
    phase = Phase(model, make_recipe(optimizer={"encoder_lr": 1e-4}), make_accelerator("cpu", "no"), "frozen")
    assert len(phase.optimizer.param_groups) == 1


@pytest.mark.slow
def test_the_same_rate_said_twice_changes_nothing(spots, make_recipe):
    """Groups are a matter of bookkeeping: Adam goes parameter by parameter."""
    weights = []
    for optimizer in ({}, {"encoder_lr": 3e-3}):
        torch.manual_seed(0)
        model = build_model("pylon_test_resnet", 2, 1)
        list(fit(model, spots(), spots("val"), make_recipe(optimizer=optimizer), make_accelerator("cpu", "no")))
        weights.append(model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_slow_encoder_moves_less(spots, make_recipe):
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 2, 1)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    recipe = make_recipe(optimizer={"encoder_lr": 1e-7})
    list(fit(model, spots(), spots("val"), recipe, make_accelerator("cpu", "no")))
    moved = {name: (value - before[name]).abs().max().item() for name, value in model.named_parameters()}
    assert max(value for name, value in moved.items() if name.startswith("encoder.")) < 1e-6
    assert max(value for name, value in moved.items() if not name.startswith("encoder.")) > 1e-3


def drawn_steps(model, optimizer, seed, count=3):
    """Steps on gradients of noise."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for one in model.parameters():
            one.grad = torch.randn(one.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_fused_takes_the_same_steps_up_to_rounding(name, make_recipe):
    weights = []
    for fused in (False, True):
        torch.manual_seed(0)
        model = build_model("pylon_test_resnet", 2, 1)
        optimizer = make_optimizer(model, make_recipe(optimizer={"name": name, "fused": fused}))
        drawn_steps(model, optimizer, 0)
        weights.append(torch.cat([one.detach().flatten() for one in model.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)


def test_fused_goes_on_bit_for_bit(model, make_recipe, tmp_path):
    recipe = make_recipe(optimizer={"name": "adamw", "fused": True})
    optimizer = make_optimizer(model, recipe)
    drawn_steps(model, optimizer, 0)
    kept = to_bytes({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    drawn_steps(model, optimizer, 1)
    other = build_model("pylon_test_resnet", 2, 1)
    again = make_optimizer(other, recipe)
    state = from_bytes(kept, tmp_path / "state.pt")
    other.load_state_dict(state["model"])
    again.load_state_dict(state["optimizer"])
    drawn_steps(other, again, 1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_recipes_of_the_paper_step_as_they_did_and_new_ones_fused():
    assert not any(load_recipe(name).optimizer.fused for name in list_recipes())
    assert ALWAYS["optimizer"]["fused"]
    assert ALWAYS["loop"]["channels_last"]
    assert DECODERS["pylon"]["lateral"] == "light"
