"""Which layer takes the images: timm converts its weights for other channel counts."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.build import build_model
from tests.models.families import FAMILIES, by_family


@by_family({"resnet", "vision_transformer"}, others=pytest.mark.sweep)
def test_first_conv_is_what_depends_on_the_channels(family: str):
    grey, colour = (_on_meta(FAMILIES[family], in_chans) for in_chans in (1, 3))
    shapes = {name: tensor.shape for name, tensor in colour.state_dict().items()}
    differing = {name for name, tensor in grey.state_dict().items() if tensor.shape != shapes[name]}
    assert {f"{name}.weight" for name in colour.first_conv()} == differing


def _on_meta(name: str, in_chans: int) -> Backbone:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"):
                return Backbone(name, in_chans=in_chans)
        except NotImplementedError:  # a network that reads numbers back while it is built
            return Backbone(name, in_chans=in_chans)


def test_first_conv_is_a_full_name_and_several_are_a_tuple():
    assert build_model("pylon_resnet18").pretrained_cfg["first_conv"] == "encoder.model.conv1"
    stems = build_model("pylon_mobileone_s0").pretrained_cfg["first_conv"]
    assert len(stems) == 2
    assert json.loads(json.dumps(stems)) == list(stems)
