"""Precision, gradients and memory: what every method keeps on every kind of backbone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from tests.models.contract.cases import (
    Build,
    Kind,
    images,
)


def pooled_dtypes(model: HeatmapClassifier) -> list[torch.dtype]:
    seen: list[torch.dtype] = []
    model.pooling.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))
    return seen


def test_float32_under_autocast(build: Build):
    model = build().eval()
    seen = pooled_dtypes(model)
    reference = model(images())
    with torch.autocast("cpu", torch.bfloat16):
        logits, heatmap = model.forward_with_heatmap(images())
        before_head = model.forward_head(model.forward_features(images()), pre_logits=True)
    assert logits.dtype == heatmap.dtype == before_head.dtype == torch.float32
    assert set(seen) == {torch.float32}
    torch.testing.assert_close(logits, reference, rtol=0.1, atol=0.1)


@pytest.mark.slow
def test_float32_in_a_bfloat16_model(build: Build):
    model = build().eval().bfloat16()
    seen = pooled_dtypes(model)
    logits, heatmap = model.forward_with_heatmap(images().bfloat16())
    assert logits.dtype == heatmap.dtype == model(images().bfloat16()).dtype == torch.float32
    assert set(seen) == {torch.float32}
    model.reset_classifier(2)
    assert model(images().bfloat16()).shape == (2, 2)


def test_every_used_parameter_gets_a_finite_gradient(build: Build, case: tuple[str, Kind]):
    model = build().train()
    model(images()).square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    assert {name for name, grad in grads.items() if grad is None} == set(case[1].unused)
    assert all(grad.isfinite().all() for grad in grads.values() if grad is not None)
    assert grads["head.weight"].abs().sum() > 0
    assert grads[f"encoder.{case[1].stem}"].abs().sum() > 0


@pytest.mark.slow
def test_grad_checkpointing_changes_nothing(build: Build, case: tuple[str, Kind]):
    plain, frugal = build().train().double(), build().train().double()
    if not case[1].recomputed:
        with pytest.raises(ConfigError, match=f"no gradient checkpointing for '{case[1].name}'"):
            frugal.set_grad_checkpointing()
        return
    calls: list[nn.Module] = []
    frugal.encoder.get_submodule(case[1].recomputed).register_forward_hook(lambda module, *_: calls.append(module))
    frugal.set_grad_checkpointing()
    outputs = []
    for model in (plain, frugal):
        torch.manual_seed(3)  # timm's MLP position bias drops out
        outputs.append(model(images().double()))
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        output.square().sum().backward()
    assert len(calls) == 2
    for (name, a), (_, b) in zip(plain.named_parameters(), frugal.named_parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-6, msg=name)
    frugal.set_grad_checkpointing(False)
    frugal(images().double()).sum().backward()
    assert len(calls) == 3
