"""Classifiers of every kind that attributions must work on, small and with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import timm
import torch
import torchvision
from quick import slow_but
from torch import Tensor, nn

import pylon_zoo

CLASSES = 4


@dataclass(frozen=True)
class Kind:
    """A kind of classifier.

    Attributes:
        build: makes one with that many classes.
        layers: two of its layers, one after the other in the forward pass, whose outputs are maps.
        default: the layer looked at when none is named.
        size: (H, W) of its images.
    """

    build: Callable[[int], nn.Module]
    layers: tuple[str, str]
    default: str
    size: tuple[int, int] = (64, 96)


def timm_kind(name: str, layers: tuple[str, str], default: str, size: tuple[int, int] = (64, 96), **options: Any):
    return Kind(lambda classes: timm.create_model(name, num_classes=classes, **options), layers, default, size)


def torchvision_kind(name: str, layers: tuple[str, str], default: str, size: tuple[int, int] = (64, 96)):
    return Kind(lambda classes: getattr(torchvision.models, name)(num_classes=classes), layers, default, size)


SMALL_SWIN = {
    "img_size": (64, 96),
    "window_size": 2,
    "embed_dim": 12,
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 1, 1),
}

KINDS: dict[str, Kind] = {
    "pylon": Kind(
        lambda classes: pylon_zoo.create_pylon("test_resnet", classes, decoder_channels=8),
        ("encoder.model.layer3", "features"),
        "features",
    ),
    "cam": Kind(
        lambda classes: pylon_zoo.create_model("cam_test_resnet", num_classes=classes, pooling="avg"),
        ("encoder.model.layer3", "features"),
        "features",
    ),
    "timm-resnet": timm_kind("test_resnet", ("layer3", "layer4"), "layer4"),
    "timm-convnext": timm_kind("test_convnext", ("stages.2", "stages.3"), "norm_pre"),
    "timm-efficientnet": timm_kind("test_efficientnet", ("blocks.3", "bn2"), "bn2"),
    "timm-vit": timm_kind("test_vit", ("blocks.4", "blocks.5.norm1"), "blocks.5.norm1", (160, 160)),
    "timm-swin": timm_kind("swin_tiny_patch4_window7_224", ("layers.2", "norm"), "norm", **SMALL_SWIN),
    "resnet18": torchvision_kind("resnet18", ("layer3", "layer4"), "layer4"),
    "densenet121": torchvision_kind("densenet121", ("features.denseblock3", "features"), "features"),
}

# Too large for every test; their default layer is tested.
LARGE_KINDS: dict[str, Kind] = {
    "vgg11": torchvision_kind("vgg11", ("features.7", "features"), "features"),
    "mobilenet_v3_small": torchvision_kind("mobilenet_v3_small", ("features.8", "features"), "features"),
    "swin_t": torchvision_kind("swin_t", ("features.5", "permute"), "permute"),
    "convnext_tiny": torchvision_kind("convnext_tiny", ("features.5", "features"), "features"),
    "vit_b_16": torchvision_kind(
        "vit_b_16",
        ("encoder.layers.encoder_layer_10", "encoder.layers.encoder_layer_11.ln_1"),
        "encoder.layers.encoder_layer_11.ln_1",
        (224, 224),
    ),
}


def randomised(model: nn.Module) -> nn.Module:
    """The model with BatchNorm statistics that are not trivial, and no layer of zeros."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
    return model


@pytest.fixture
def build_kind(kinds: dict[str, Kind]) -> Callable[..., nn.Module]:
    """Name of a kind → its model in evaluation mode, the same weights at every call."""

    def build(name: str, classes: int = CLASSES) -> nn.Module:
        torch.manual_seed(1)
        return randomised(kinds[name].build(classes)).eval()

    return build


@pytest.fixture
def kinds() -> dict[str, Kind]:
    return {**KINDS, **LARGE_KINDS}


@pytest.fixture
def images_of(kinds: dict[str, Kind]) -> Callable[..., Tensor]:
    """Name of a kind → images of its size."""

    def images(name: str, n: int = 2) -> Tensor:
        return torch.randn(n, 3, *kinds[name].size, generator=torch.Generator().manual_seed(2))

    return images


QUICK = {"pylon", "timm-resnet", "timm-vit"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`kind` runs a test on every small kind of model, `any_kind` on the large ones too: most with the slow tests."""
    for argument, names in {"any_kind": [*KINDS, *LARGE_KINDS], "kind": list(KINDS)}.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, slow_but(QUICK, names))
