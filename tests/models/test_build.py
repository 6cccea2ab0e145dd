from __future__ import annotations

import json

import pytest
import torch

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import ENCODER_OPTIONS, build_model, method_options
from pylon_zoo.models.methods import METHODS, split_name
from pylon_zoo.models.names import list_backbones
from pylon_zoo.models.options import as_pair, check_flag, check_option


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pylon_resnet50", ("pylon", "resnet50")),
        ("cam_vit_tiny_patch16_224.augreg_in21k", ("cam", "vit_tiny_patch16_224.augreg_in21k")),
    ],
)
def test_split_name(name: str, expected: tuple[str, str]):
    assert split_name(name) == expected


def test_no_timm_architecture_begins_like_a_method():
    assert not [name for name in list_backbones() if name.partition("_")[0] in METHODS]


def test_options_and_defaults_are_the_designs():
    assert method_options("pylon") == {
        "decoder_channels": 128,
        "attention": True,
        "attention_gap": False,
        "up_modules": None,
        "up_layers": 2,
        "up_kernel": 1,
        "head_kernel": 1,
        "head_mlp_layers": 0,
        "norm": "batch",
        "lateral": "paper",
        "stem": False,
        "alignment": "exact",
        "pooling": "max",
        "pooling_kwargs": None,
        "activation": "sigmoid",
        "encoder_pretrained": False,
        "encoder_weights": None,
        "coarsest_stride": None,
        "output_stride": 4,
        "img_size": None,
        "encoder_kwargs": {},
    }
    pooled = {"pooling", "pooling_kwargs", "activation", *ENCODER_OPTIONS}
    assert set(method_options("cam")) == {"timm_classifier", *pooled}
    assert set(method_options("li2018")) == {"decoder_channels", "grid", "norm", *pooled}
    assert set(method_options("unet")) == {"decoder_channels", *pooled}
    assert set(method_options("pan")) == {"decoder_channels", "gap", *pooled}
    assert set(method_options("deeplabv3plus")) == {"decoder_channels", "gap", "dropout", *pooled}
    fpn = {"pyramid_channels", "decoder_channels", "norm", "norm_groups", "dropout"}
    assert set(method_options("fpn")) == {*fpn, *pooled}


def test_the_last_map_has_one_stride():
    with pytest.raises(UnknownNameError, match="Unknown option 'output_stride' for a cam model"):
        build_model("cam_test_resnet", 2, output_stride=8)


def test_only_what_differs_from_the_defaults_is_recorded_and_the_alignment():
    assert build_model("pylon_test_resnet", 2).model_args == {"in_chans": 3, "alignment": "exact"}
    assert build_model("cam_test_resnet", 2).model_args == {"in_chans": 3}
    model = build_model("pylon_test_resnet", 2, 1, decoder_channels=128, up_layers=1, img_size=96)
    assert model.model_args == {"in_chans": 1, "up_layers": 1, "alignment": "exact", "img_size": 96}


def test_a_fixed_size_is_recorded():
    model = build_model("pylon_test_vit_relpos", 2, img_size=(100, 60))
    assert tuple(model.model_args["img_size"]) == (100, 60)
    assert model.pretrained_cfg["input_size"] == (3, 100, 60)
    assert model.pretrained_cfg["fixed_input_size"]


def test_the_description_is_json():
    model = build_model("pylon_test_resnet", 2, 1, img_size=(96, 64), encoder_kwargs={"drop_path_rate": 0.1})
    again = json.loads(json.dumps({"args": model.model_args, "cfg": model.pretrained_cfg}))
    twin = build_model(model.architecture, 2, **again["args"])
    assert json.loads(json.dumps(twin.pretrained_cfg)) == again["cfg"]


def test_the_input_is_squashed_and_never_cropped():
    cfg = build_model("pylon_test_resnet", 2).pretrained_cfg
    assert (cfg["crop_pct"], cfg["crop_mode"]) == (1.0, "squash")


def test_a_tag_is_the_encoders_and_not_part_of_the_architecture():
    with torch.device("meta"):
        model = build_model("pylon_resnet18.tv_in1k", 2)
    assert model.architecture == "pylon_resnet18"
    assert model.encoder.pretrained_cfg["tag"] == "tv_in1k"


def test_fresh_weights_differ_and_follow_the_seed():
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_model("pylon_test_vit", 2).head.weight

    assert torch.equal(head(0), head(0))
    assert not torch.equal(head(0), head(1))


@pytest.mark.parametrize("option", ["decoder_chanels", "outputstride", "poolin"])
def test_unknown_options_suggest(option: str):
    with pytest.raises(UnknownNameError, match=f"Unknown option '{option}' for a pylon model. Did you mean"):
        build_model("pylon_test_resnet", 2, **{option: 1})


def test_check_option():
    check_option("up_layers", 2, (1, 2))
    check_option("width", 7, at_least=1)
    check_flag("attention", False)
    for value in (3, True, "1", None):
        with pytest.raises(ConfigError, match=r"up_layers=.* is not valid; give one of 1, 2"):
            check_option("up_layers", value, (1, 2))
    for value in (0, True, 1.0, "1", None):
        with pytest.raises(ConfigError, match=r"width=.* is not valid; give a whole number from 1 up"):
            check_option("width", value, at_least=1)
    for value in (0, 1, None, "true"):
        with pytest.raises(ConfigError, match=r"attention=.* give one of True, False"):
            check_flag("attention", value)


def test_as_pair():
    assert as_pair("img_size", 224) == (224, 224)
    assert as_pair("img_size", [300, 417]) == (300, 417)
    for value in (0, -1, True, 2.0, "224", (1,), (1, 2, 3), (1, 0), (1, 2.0), None):
        with pytest.raises(ConfigError, match=r"img_size=.* is not valid"):
            as_pair("img_size", value)
