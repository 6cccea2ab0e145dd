"""A whole network's weights in an encoder, compared with what timm's own loader makes of them."""

from __future__ import annotations

import warnings

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.build import build_model
from pylon_zoo.models.encoder_weights import EncoderWeights
from tests.models.families import FAMILIES, by_family

NAME = "test_resnet"


def randomized(model: nn.Module) -> nn.Module:
    """A network whose every tensor is random, so that none is right by accident."""
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return model.eval()


def donated(name: str = NAME, **options: object) -> dict[str, Tensor]:
    return randomized(timm.create_model(name, **options)).state_dict()


def filled(state: dict[str, Tensor], name: str = NAME, **options: object) -> Backbone:
    return Backbone(name, weights=EncoderWeights(state, "the file"), **options).eval()


def timms(state: dict[str, Tensor], name: str, **options: object) -> dict[str, Tensor]:
    """The tensors of the extractor that timm fills itself."""
    overlay = {"state_dict": dict(state), "source": None, "custom_load": False}
    return timm.create_model(
        name, pretrained=True, features_only=True, pretrained_cfg_overlay=overlay, **options
    ).state_dict()


def assert_same(encoder: Backbone, expected: dict[str, Tensor]) -> None:
    actual = encoder.model.state_dict()
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert name.endswith("num_batches_tracked") or torch.equal(actual[name], tensor), name


@by_family(others=pytest.mark.sweep)
def test_every_family_gets_what_timm_would_load(family: str):
    name = FAMILIES[family]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = Backbone(name)._options
        state = donated(name, **options)
        assert_same(filled(state, name), timms(state, name, **options))


@pytest.mark.slow
@pytest.mark.parametrize("in_chans", [1, 2, 4, 7])
@pytest.mark.parametrize("name", ["resnet18", "test_efficientnet", "test_vit"])
def test_stems_are_adapted_as_timm_does(name: str, in_chans: int):
    state = donated(name)
    options = Backbone(name)._options
    assert_same(filled(state, name, in_chans=in_chans), timms(state, name, in_chans=in_chans, **options))


@pytest.mark.slow
def test_a_stem_of_space_and_channels_is_summed():
    state = donated("tresnet_m")
    assert_same(filled(state, "tresnet_m", in_chans=1), timms(state, "tresnet_m", in_chans=1))
    with pytest.raises(WeightsError, match=r"body.conv1.conv.weight has the shape .*48.*, but .*32.* is needed"):
        filled(state, "tresnet_m", in_chans=2)


def test_weights_for_other_channels_than_three():
    grey = donated(in_chans=1)
    assert torch.equal(filled(grey, in_chans=1).state_dict()["model.conv1.0.weight"], grey["conv1.0.weight"])
    colour = filled(grey, in_chans=3).state_dict()["model.conv1.0.weight"]
    torch.testing.assert_close(colour, grey["conv1.0.weight"].repeat(1, 3, 1, 1) / 3)


def test_position_embeddings_are_resized():
    state = donated("test_vit")
    encoder = filled(state, "test_vit", img_size=(96, 128))
    assert encoder.state_dict().keys() == Backbone("test_vit").state_dict().keys()


TORCHVISION = {
    "resnet18": "resnet18",
    "resnext50_32x4d": "resnext50_32x4d",
    "densenet121": "densenet121",
    "regnet_y_400mf": "regnety_004",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_give_their_own_logits(name: str):
    original = randomized(getattr(torchvision.models, name)(weights=None))
    weights = EncoderWeights(original.state_dict(), "torchvision")
    model = build_model(f"cam_{TORCHVISION[name]}", 1000, encoder_weights=weights, pooling="avg").eval()
    x = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(x), original(x), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_torchvision_networks_without_an_averaged_map():
    original = randomized(torchvision.models.vgg11(weights=None))
    encoder = filled(original.state_dict(), "vgg11", output_stride=None)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x)[0], original.features(x), rtol=1e-3, atol=1e-4)


def test_the_classifier_has_the_files_classes():
    model = randomized(timm.create_model(NAME, num_classes=21))
    weights = EncoderWeights(model.state_dict(), "the file")
    cam = build_model(f"cam_{NAME}", 21, encoder_weights=weights, pooling="avg").eval()
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(cam(x), model(x), rtol=1e-3, atol=1e-4)
    other = build_model(f"cam_{NAME}", 5, encoder_weights=weights)
    assert other.num_classes == 5
    assert torch.equal(other.encoder.model.state_dict()["conv1.0.weight"], model.conv1[0].weight)


@pytest.mark.parametrize("wish", [None, False])
def test_without_a_classifier_the_head_is_fresh(wish: bool | None):
    weights = EncoderWeights(donated(num_classes=0), "the file")
    assert build_model(f"cam_{NAME}", 1000, encoder_weights=weights, timm_classifier=wish).num_classes == 1000


def test_a_classifier_that_is_not_there_is_refused():
    weights = EncoderWeights(donated(num_classes=0), "the file")
    with pytest.raises(ConfigError, match="the file hold no classifier of test_resnet"):
        build_model(f"cam_{NAME}", 1000, encoder_weights=weights, timm_classifier=True)


def without(state: dict[str, Tensor], *parts: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(parts)}


def test_what_is_missing_is_named():
    state = donated()
    with pytest.raises(WeightsError, match=r"in the file do not fit test_resnet: missing: layer2.0.conv1.weight\. "):
        filled(without(state, "layer2.0.conv1.weight"))
    with pytest.raises(WeightsError, match=r"missing: .*, .*, .* and \d+ more\. Give weights of that"):
        filled(without(state, "layer"))


def test_what_is_unknown_is_named():
    with pytest.raises(WeightsError, match=r"unknown: decoder.up.weight\. "):
        filled(donated() | {"decoder.up.weight": torch.ones(1)})


def test_another_shape_is_named_with_both():
    state = donated() | {"layer1.0.bn1.bias": torch.ones(3)}
    with pytest.raises(WeightsError, match=r"layer1.0.bn1.bias has the shape \(3,\), but \(32,\) is needed"):
        filled(state)


@pytest.mark.slow
def test_weights_that_timm_cannot_convert():
    state = torchvision.models.convnext_tiny(weights=None).state_dict()
    with pytest.raises(WeightsError, match="the file do not fit convnext_tiny: timm cannot convert them"):
        filled(state, "convnext_tiny")


def test_what_no_output_needs_may_be_missing():
    state = donated("test_efficientnet")
    spare = ("conv_head", "bn2", "classifier")
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    encoder = filled(without(state, *spare, *counters), "test_efficientnet")
    assert torch.equal(encoder.model.state_dict()["conv_stem.weight"], state["conv_stem.weight"])
    with pytest.raises(WeightsError, match=r"missing: conv_head.weight, bn2.weight"):  # the averaged map comes after it
        build_model(
            "cam_test_efficientnet",
            2,
            encoder_weights=EncoderWeights(without(state, *spare[:2]), "the file"),
            timm_classifier=True,
        )


def test_half_precision_becomes_single():
    state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in donated().items()}
    assert filled(state).model.state_dict()["conv1.0.weight"].dtype == torch.float32


def test_a_tag_says_how_images_look_and_a_description_overrules_it():
    state = donated("resnet18")
    assert filled(state, "resnet18", pretrained="tv_in1k").pretrained_cfg["tag"] == "tv_in1k"
    weights = EncoderWeights(state, "the file", {"mean": (0.1, 0.2, 0.3)})
    model = build_model("pylon_resnet18", 2, encoder_weights=weights)
    assert model.pretrained_cfg["mean"] == (0.1, 0.2, 0.3)
    assert "encoder_weights" not in model.model_args


def test_paths_are_not_for_this_floor():
    with pytest.raises(ConfigError, match="create_model reads files"):
        build_model(f"pylon_{NAME}", 2, encoder_weights="resnet.pth")
