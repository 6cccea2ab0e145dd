"""Backbones that end early: the same levels, without what comes after them."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100", "convnext_atto", "densenet121", "regnetx_002"],
)
def test_a_network_may_be_cut_short(name: str):
    """The levels that are left are the same to the bit, at a fraction of the weights."""
    whole, short = Backbone(name).eval(), Backbone(name, coarsest_stride=16).eval()
    whole.model.load_state_dict(whole.model.state_dict() | short.model.state_dict())
    assert short.strides == [16, 8, 4]
    images = torch.rand(1, 3, 64, 96)
    kept = whole(images)[-len(short.strides) :]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(short(images), kept, strict=True))
    assert short.cell_grids(64) == whole.cell_grids(64)[-len(short.strides) :]
    weights = [sum(p.numel() for p in network.parameters()) for network in (short, whole)]
    assert weights[0] < 0.7 * weights[1]


def test_a_cut_network_keeps_its_pretrained_weights(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    first = Backbone("test_resnet")
    weights = first.model.state_dict()
    monkeypatch.setattr(Backbone, "_build", _filled(Backbone._build, weights))
    short = Backbone("test_resnet", pretrained=True, coarsest_stride=8)
    assert short.strides == [8, 4]
    assert all(torch.equal(value, weights[name]) for name, value in short.model.state_dict().items())


def _filled(build, weights):
    """Builds networks as ever; those that ask for pretrained weights get these."""

    def build_filled(self, name, in_chans, pretrained, options):
        network = build(self, name, in_chans, False, options)
        if pretrained:
            network.load_state_dict(weights)
        return network

    return build_filled


def test_no_network_ends_before_its_first_map():
    with pytest.raises(
        ConfigError, match=r"coarsest_stride=2, but the finest map of vit_tiny_patch16_224 has stride 16"
    ):
        Backbone("vit_tiny_patch16_224", output_stride=1, coarsest_stride=2)
    with pytest.raises(ConfigError, match=r"coarsest_stride=2 is not valid; give a whole number from 4 up"):
        Backbone("resnet18", coarsest_stride=2)
