"""One optimizer step, in every way there is to make it: the same loss and nearly the same weights."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.phase import set_up
from pylon_zoo.training.step import listed

POINTING = {"loss": {"pooling": "topk"}, "consistency": {"views": 0.5, "swap": 0.3, "ramp": 0.0}}


def one_step(recipe, data, precision="no"):
    """Loss and weights after a step on all of the data."""
    torch.manual_seed(0)
    model = build_model("pylon_test_convnext", 2, 1, norm="group")
    (epoch,) = fit(model, data, data, recipe, make_accelerator("cpu", precision))
    return epoch, torch.cat([parameter.flatten() for parameter in model.parameters()]).detach()


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("terms", "settings", "precision", "tolerance"),
    [
        ({}, {"accumulate": 2}, "no", 1e-6),
        slow({}, {"channels_last": True}, "no", 1e-6),
        slow({}, {"checkpointing": True}, "no", 1e-6),
        slow({}, {"compile": True}, "no", 1e-5),
        slow({}, {"compile": True, "channels_last": True}, "bf16", 2e-2),
        slow({}, {}, "bf16", 2e-2),
        slow(POINTING, {"channels_last": True, "checkpointing": True}, "no", 1e-5),
        (POINTING, {}, "bf16", 2e-2),
    ],
)
def test_options_change_how_a_step_is_computed_and_not_what_comes_out(
    spots, make_recipe, terms, settings, precision, tolerance
):
    quick = {"schedule": {"max_epochs": 1}, "optimizer": {"lr": 1e-3}, **terms}
    data = spots(count=8)
    plain, weights = one_step(make_recipe(**quick), data)
    other, others = one_step(make_recipe(**quick, loop=settings), data, precision)
    assert other.loss == pytest.approx(plain.loss, rel=tolerance)
    assert other.validation.loss == pytest.approx(plain.validation.loss, rel=max(10 * tolerance, 1e-3))
    assert others.isfinite().all()
    # Adam's first step is lr × the gradient's sign, so a gradient near 0 may turn it round.
    assert (others - weights).abs().mean() < 1e-4


@pytest.mark.slow
def test_gradients_are_clipped_to_a_norm(spots, make_recipe, monkeypatch):
    norms = []
    step = torch.optim.Adam.step

    def watched(optimizer, *args, **kwargs):
        gradients = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.cat(gradients).norm().item())
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    quick = {"schedule": {"max_epochs": 1}}
    one_step(make_recipe(**quick), spots(count=8))
    one_step(make_recipe(**quick, loop={"clip_grad_norm": 0.01}), spots(count=8))
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


def test_a_batch_that_cannot_be_shared_out_is_refused(spots, make_recipe):
    with pytest.raises(ConfigError, match=r"loop\.batch_size = 8 .*3 part\(s\) each\. Take 6 or 9"):
        one_step(make_recipe(loop={"accumulate": 3}), spots(count=8))


def test_synchronised_normalisation_needs_gpus_where_there_are_several_processes(make_recipe):
    class Two:
        num_processes, device = 2, torch.device("cpu")

    with pytest.raises(ConfigError, match=r"quick\.toml: loop\.sync_batchnorm needs a GPU for each process.*on cpu"):
        set_up(build_model("pylon_test_resnet", 2, 1), make_recipe(loop={"sync_batchnorm": True}), Two())


def test_compiling_says_where_it_is_not_worth_it(make_recipe):
    model, accelerator = build_model("pylon_test_resnet", 2, 1), make_accelerator("cpu", "no")
    with pytest.warns(UserWarning, match=r"quick\.toml: loop\.compile is not worth it on a processor"):
        set_up(model, make_recipe(loop={"compile": True}), accelerator)


def test_many_paths_are_counted():
    assert listed([f"{number}.png" for number in range(70)]).endswith("'63.png' and 6 more")
