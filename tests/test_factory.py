from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pylon_zoo import create_model, create_pylon, list_models, list_pretrained, save_checkpoint
from pylon_zoo.errors import ConfigError, PylonZooError, UnknownNameError
from pylon_zoo.models.cam import CamClassifier
from pylon_zoo.models.li2018 import Li2018
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import list_backbones
from pylon_zoo.models.pylon import Pylon

# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "classes", "in_chans"),
    [
        ({}, 1000, 3),
        ({"classes": 14}, 14, 3),
        ({"num_classes": 14}, 14, 3),
        ({"classes": 14, "num_classes": 14}, 14, 3),
        ({"classes": 2, "in_chans": 1}, 2, 1),
        ({"classes": 2, "in_channels": 1}, 2, 1),
        ({"classes": 2, "in_chans": 4, "in_channels": 4}, 2, 4),
        ({"label_names": ["a", "b", "c"]}, 3, 3),
        ({"classes": 0}, 0, 3),
    ],
    ids=str,
)
def test_create_pylon_speaks_timms_and_smps_words(words: dict[str, Any], classes: int, in_chans: int):
    model = create_pylon("test_vit", **words)
    assert isinstance(model, Pylon)
    assert (model.num_classes, model.in_chans) == (classes, in_chans)
    assert model.training
    with torch.no_grad():
        assert model(torch.randn(2, in_chans, 32, 32)).shape == (2, classes or model.num_features)


def test_classes_can_come_second():
    assert create_pylon("test_vit", 14).num_classes == 14


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"classes": 3, "num_classes": 4}, "classes=3 and num_classes=4 mean the same thing and differ"),
        ({"in_chans": 3, "in_channels": 1}, "in_chans=3 and in_channels=1 mean the same thing and differ"),
        ({"classes": 0, "num_classes": 4}, "classes=0 and num_classes=4"),
        ({"classes": -1}, "num_classes=-1 is not valid; give a whole number from 0 up"),
        ({"classes": 2.0}, "num_classes=2.0 is not valid"),
        ({"classes": "14"}, "num_classes='14' is not valid"),
        ({"classes": True}, "num_classes=True is not valid"),
        ({"in_chans": 0}, "in_chans=0 is not valid; give a whole number from 1 up"),
        ({"classes": 3, "label_names": ["a", "b"]}, "2 label names .* 3 classes"),
        ({"label_names": ["a", "a"]}, "give one distinct name per class"),
        ({"label_names": "Hernia"}, "label_names='Hernia' is one text; give a list"),
    ],
    ids=str,
)
def test_wrong_words(words: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        create_pylon("test_vit", **words)


def test_label_names():
    assert create_pylon("test_vit", label_names=["Mass", "Nodule"]).label_names == ("Mass", "Nodule")
    assert create_model("cam_test_vit", label_names=["Mass", "Nodule"]).label_names == ("Mass", "Nodule")
    assert create_pylon("test_vit", classes=2).label_names == ("class_0", "class_1")


def test_options_reach_the_model():
    model = create_pylon("test_resnet", classes=2, decoder_channels=16, output_stride=8, activation="softmax")
    assert model.num_features == 16
    assert model.encoder.strides[-1] == 8
    assert model.activation == "softmax"
    options = {"decoder_channels": 16, "output_stride": 8, "activation": "softmax"}
    assert model.model_args == {"in_chans": 3, "alignment": "exact", **options}


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "kind"), [("cam", CamClassifier), ("pylon", Pylon), ("li2018", Li2018)])
def test_create_model_makes_the_method(method: str, kind: type):
    model = create_model(f"{method}_test_vit", num_classes=2, in_chans=1)
    assert type(model) is kind
    assert model.architecture == f"{method}_test_vit"
    assert (model.num_classes, model.in_chans) == (2, 1)
    assert (create_model(f"{method}_test_vit").num_classes, create_model(f"{method}_test_vit").in_chans) == (1000, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "pylom_resnet50",
            "Unknown model 'pylom_resnet50'.*methods are cam, deeplabv3plus, .*, unet.*Did you mean 'pylon_resnet50'",
        ),
        ("pilon_resnet5O", "Did you mean 'pylon_resnet50'"),
        ("resnet50", "Unknown model 'resnet50'.*Did you mean 'pylon_resnet50'"),
        ("pylon_resnet5O", "Unknown backbone 'resnet5O'.*Did you mean 'resnet50'"),
        ("cam_convnext_tyni", "Unknown backbone 'convnext_tyni'.*'convnext_tiny'"),
        ("pylon", "Unknown model 'pylon'"),
        ("pylon_", "Unknown model 'pylon_'"),
        ("", "Unknown model ''"),
        ("PYLON_resnet50", "Unknown model 'PYLON_resnet50'"),
    ],
)
def test_misspelt_models_suggest_the_nearest(name: str, message: str):
    with pytest.raises(UnknownNameError, match=message):
        create_model(name)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("resnet5O", "Did you mean 'resnet50'"),
        ("resnet50.tv_in2k", "no weights 'tv_in2k' for 'resnet50'"),
        ("pylon_resnet50", "Unknown backbone 'pylon_resnet50'"),
    ],
)
def test_misspelt_backbones_suggest_the_nearest(backbone: str, message: str):
    with pytest.raises(UnknownNameError, match=message):
        create_pylon(backbone, classes=2)


def test_misspelt_options_suggest_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"Unknown option 'atention' for a pylon model. Did you mean 'attention'"
    ):
        create_pylon("test_vit", classes=2, atention=False)
    with pytest.raises(
        UnknownNameError, match=r"Unknown option 'attention' for a cam model.*Options: timm_classifier, pooling"
    ):
        create_model("cam_test_vit", attention=False)
    with pytest.raises(UnknownNameError, match=r"Unknown pooling 'maxx'. Did you mean 'max'"):
        create_model("cam_test_vit", pooling="maxx")


# -- listing ----------------------------------------------------------------------------------------------------------


def test_list_models_is_every_method_on_every_architecture_that_can_carry_it():
    names = list_models()
    assert names == sorted(set(names))
    on_everything = [name for name, method in METHODS.items() if not method.lacks("vision_transformer", "test_vit")]
    assert on_everything == ["cam", "li2018", "pylon"]
    for method in on_everything:
        assert sum(name.startswith(f"{method}_") for name in names) == len(list_backbones())
    assert sum(name.startswith("deeplabv3plus_") for name in names) > 400
    assert sum(name.startswith("fpn_") for name in names) == sum(name.startswith("unet_") for name in names) > 800
    assert {name.partition("_")[0] for name in names} == set(METHODS)
    assert "pylon_resnet50" in names
    assert not any("." in name for name in names)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("pylon_resnet50", ["pylon_resnet50"]),
        ("*_test_vit", ["cam_test_vit", "li2018_test_vit", "pylon_test_vit"]),
        ("test_vit", ["cam_test_vit", "li2018_test_vit", "pylon_test_vit"]),
        (
            "*test_resnet",
            [f"{method}_test_resnet" for method in ("cam", "deeplabv3plus", "fpn", "li2018", "pan", "pylon", "unet")],
        ),
        ("pylon_test_conv*", ["pylon_test_convnext", "pylon_test_convnext2", "pylon_test_convnext3"]),
        ("cam_test_vit[23]", ["cam_test_vit2", "cam_test_vit3"]),
        ("resnet5O", []),
    ],
)
def test_list_models_takes_wildcards(pattern: str, expected: list[str]):
    assert list_models(pattern) == expected


def test_list_models_is_a_copy():
    list_models().clear()
    assert list_models()


def test_list_pretrained_names_can_be_loaded():
    names = list_pretrained()
    assert names == sorted(set(names))
    for name in names:
        architecture, _, tag = name.partition(".")
        assert tag
        assert architecture in list_models()
        assert name in list_pretrained(f"{architecture}*")
    assert list_pretrained("no_such_*") == []


# -- weights that were asked for are there, or it raises -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pretrained"),
    [
        ("pylon_test_vit.no_such_tag", None),
        ("pylon_test_vit.no_such_tag", True),
        ("pylon_test_vit", True),
        ("pylon_test_vit", "no-such-tag"),
        ("pylon_test_vit", ""),
        ("pylon_test_vit", "local-dir:/no/such/folder"),
        ("pylon_test_vit", "/no/such/folder"),
        ("pylon_test_vit", "hf-hub:nobody/nothing"),
        ("pylon_resnet50.tv_in1k", None),  # a tag of timm's is not one of ours
        ("pylon_test_vit.one", "two"),
        ("pylon_test_vitt", True),
    ],
)
def test_never_random_weights(name: str, pretrained: bool | str | None):
    with pytest.raises(PylonZooError):
        create_model(name, pretrained=pretrained)


def test_two_tags_are_refused():
    with pytest.raises(ConfigError, match=r"Two tags were given: 'one' .* pretrained='two'"):
        create_model("pylon_test_vit.one", pretrained="two")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = create_model("pylon_test_vit", num_classes=2, in_chans=1, label_names=["a", "b"], decoder_channels=8)
    return Path(save_checkpoint(model, tmp_path / "checkpoint"))


@pytest.mark.parametrize("prefix", ["", "local-dir:"])
def test_weights_of_a_folder(folder: Path, prefix: str):
    model = create_model("pylon_test_vit", pretrained=f"{prefix}{folder}")
    assert not model.training
    assert (model.num_classes, model.in_chans, model.label_names) == (2, 1, ("a", "b"))
    assert model.num_features == 8
    again = create_model("pylon_test_vit", pretrained=f"{prefix}{folder}")
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), again(x))


def test_weights_with_another_head(folder: Path):
    model = create_model("pylon_test_vit", pretrained=str(folder), num_classes=3, label_names=["x", "y", "z"])
    assert model.head.weight.shape[0] == 3
    assert model.label_names == ("x", "y", "z")
    same = create_model("pylon_test_vit", pretrained=str(folder), num_classes=2)
    assert same.label_names == ("a", "b")
    for name, tensor in same.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(tensor, model.state_dict()[name]), name


def test_weights_for_other_channels(folder: Path):
    grey, colour = (create_model("pylon_test_vit", pretrained=str(folder), in_chans=channels) for channels in (1, 3))
    assert (grey.in_chans, colour.in_chans) == (1, 3)
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(colour(x.expand(1, 3, 64, 64)), grey(x))
    assert colour.pretrained_cfg["mean"] == grey.pretrained_cfg["mean"] * 3


def test_weights_keep_their_options(folder: Path):
    with pytest.raises(ConfigError, match="decoder_channels cannot be chosen"):
        create_model("pylon_test_vit", pretrained=str(folder), decoder_channels=16)


def test_fresh_weights_can_be_asked_for():
    assert create_model("pylon_test_vit", pretrained=False, num_classes=2).training
