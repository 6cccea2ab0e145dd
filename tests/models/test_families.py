"""One real forward of the smallest member of each timm family; docs/backbones.md has all members' shapes."""

from __future__ import annotations

import pytest
import timm
import torch

from pylon_zoo.models.build import build_model
from pylon_zoo.models.names import timm_module
from tests.models.families import FAMILIES, HEAVY, QUICK, SMALLEST, by_family

# Parameters that none of timm's maps depends on.
UNUSED = {
    "efficientvim": {"encoder.model.model.weights"},
    "pit": {"encoder.model.body.norm.weight", "encoder.model.body.norm.bias"},
}


@by_family()
def test_forward(family: str):
    model = build_model(f"pylon_{FAMILIES[family]}", 2, decoder_channels=8).eval()
    with torch.no_grad():
        logits, heatmap = model.forward_with_heatmap(torch.randn(1, 3, 64, 64))
    stride = model.encoder.strides[-1]
    assert heatmap.shape[:2] == (1, 2)
    for cells in heatmap.shape[2:]:  # one less in networks with unpadded convolutions, two in Inception
        assert -(-64 // stride) - 2 <= cells <= -(-64 // stride)
    assert heatmap.isfinite().all()
    assert logits.shape == (1, 2)


@by_family(others=pytest.mark.sweep)
def test_gradients_reach_every_used_parameter(family: str):
    model = build_model(f"pylon_{FAMILIES[family]}", 2, decoder_channels=8).train()
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    missing = {name for name, p in model.named_parameters() if p.grad is None}
    assert missing == UNUSED.get(family, set())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_table_names_families_and_members():
    for family, name in SMALLEST.items():
        if timm.is_model(name):
            assert timm_module(name) == family
    assert set(SMALLEST) >= HEAVY | QUICK
