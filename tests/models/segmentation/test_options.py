from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.build import build_model
from pylon_zoo.models.segmentation.base import smp_channels


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("unet", {"decoder_channels": 64}),
        ("unet", {"decoder_channels": (64, 64, 64)}),
        ("unet", {"decoder_channels": (64, 64, 64, 64, 0)}),
        ("fpn", {"decoder_channels": 48}),
        ("fpn", {"norm_groups": 0}),
        ("fpn", {"norm": "layer"}),
        ("fpn", {"dropout": 1.0}),
        ("pan", {"gap": "no"}),
        ("pan", {"decoder_channels": 0}),
        ("deeplabv3plus", {"dropout": -0.1}),
        ("deeplabv3plus", {"gap": 0}),
    ],
)
def test_impossible_options(method: str, options: dict[str, Any]):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}=.* is not valid"):
        build_model(f"{method}_test_resnet", 2, **options)


def test_groups_must_divide_the_channels():
    with pytest.raises(ConfigError, match=r"decoder_channels=64 is not valid.*norm_groups=24"):
        build_model("fpn_test_resnet", 2, decoder_channels=64, norm="group", norm_groups=24)


@pytest.mark.parametrize(("norm", "groups"), [("batch", 32), ("group", 32), ("group", 16)])
def test_fpn_norms(norm: str, groups: int):
    decoder = build_model("fpn_test_resnet", 2, norm=norm, norm_groups=groups).decoder
    found = {layer.num_groups for layer in decoder.modules() if isinstance(layer, nn.GroupNorm)}
    assert found == ({groups} if norm == "group" else set())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in decoder.modules()) == (norm == "batch")


def test_deeplab_dilates_its_encoder_and_keeps_the_users_options():
    model = build_model("deeplabv3plus_test_resnet", 2, encoder_kwargs={"drop_path_rate": 0.1})
    assert model.encoder.strides == [16, 16, 8, 4, 2]
    assert model.model_args["encoder_kwargs"] == {"drop_path_rate": 0.1}
    assert build_model("pan_test_resnet", 2).encoder.strides == [32, 16, 8, 4]  # not dilated, as in the paper


def test_a_pyramid_that_does_not_fit_is_described():
    with pytest.raises(ConfigError, match="FPN needs maps of strides 32, 16, 8, 4, but those of test_vit have 16"):
        smp_channels(Backbone("test_vit"), "FPN")


def test_pan_says_which_size_a_network_of_one_size_needs():
    model = build_model("pan_coat_lite_tiny", 2, decoder_channels=8).eval()
    with pytest.raises(ConfigError, match=r"built for 224×224 .* build it with img_size=\(256, 256\)"):
        model(torch.zeros(1, 3, 224, 224))


def test_heads_are_initialised_as_in_the_papers_code():
    torch.manual_seed(0)
    for method, kernel in (("unet", 3), ("fpn", 1), ("pan", 3), ("deeplabv3plus", 1)):
        head = build_model(f"{method}_test_resnet", 2).head
        assert head.kernel_size == (kernel, kernel)
        assert bool((head.bias == 0).all()) == (method != "deeplabv3plus")
