"""The tables of `pyramids` against what timm builds: one member of each family, all of them with the slow tests."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.build import build_model
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import list_backbones, timm_module
from pylon_zoo.models.pyramids import DILATABLE, NO_PYRAMID, lacks_dilation, lacks_pyramid
from tests.models.families import FAMILIES, by_family

UNPADDED = "its convolutions are not padded, so its maps are a few cells short of half"


def strides(name: str, **kwargs: int) -> list[int] | None:
    try:
        with torch.device("meta"):
            return Backbone(name, output_stride=2, encoder_kwargs=kwargs).strides
    except (ConfigError, AssertionError):
        return None  # timm refuses the option


def check(name: str) -> None:
    module = timm_module(name)
    lack = lacks_pyramid(module, name)
    found = strides(name)
    fits = found[:4] == [32, 16, 8, 4] and found[4:] in ([], [2])
    assert fits == (lack in ("", UNPADDED)), found
    if lack == "all its maps have one size":
        assert len(set(found)) == 1
    dilated = strides(name, output_stride=16)
    dilates = dilated is not None and dilated[:4] == [16, 16, 8, 4]
    assert (fits and dilates and lack == "") == (lacks_dilation(module, name) == ""), dilated


@by_family()
def test_the_tables_are_right_about_a_member_of_each_family(family: str):
    check(FAMILIES[family])


@pytest.mark.sweep
@pytest.mark.parametrize("name", list_backbones())
def test_the_tables_are_right_about_every_architecture(name: str):
    check(name)


@by_family(names=[family for family, name in FAMILIES.items() if not lacks_pyramid(timm_module(name), name)])
def test_a_segmentation_decoder_runs_on_a_member_of_each_family_that_fits(family: str):
    name = FAMILIES[family]
    model = build_model(f"fpn_{name}", 2, pyramid_channels=8, decoder_channels=32).eval()
    with torch.no_grad():
        assert model.forward_heatmap(torch.randn(1, 3, 64, 96)).shape == (1, 2, 16, 24)


@pytest.mark.slow
def test_unpadded_networks_are_short_of_cells():
    for name in ("inception_v3", "legacy_xception"):
        with torch.device("meta"):
            shapes = [tuple(level.shape[2:]) for level in Backbone(name)(torch.zeros(1, 3, 256, 256))]
        assert lacks_pyramid(timm_module(name), name) == UNPADDED
        assert shapes != [(8, 8), (16, 16), (32, 32), (64, 64)]


def test_patterns_name_families():
    families = {timm_module(name) for name in list_backbones()}
    patterns = [pattern for group in NO_PYRAMID.values() for pattern in group] + list(DILATABLE)
    assert len(patterns) == len(set(patterns))
    assert {pattern.partition("/")[0] for pattern in patterns} <= families


def test_what_a_method_asks_for():
    assert {name for name, method in METHODS.items() if method.lacks("vision_transformer", "vit_tiny_patch16_224")} == {
        "deeplabv3plus",
        "fpn",
        "pan",
        "unet",
    }
