"""Every method × five kinds of backbone × three sizes, in training and in evaluation."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import timm_module

# Kind → a small member, made smaller by options.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet": ("test_resnet", {}),
    "ConvNeXt": ("test_convnext", {}),
    "EfficientNet": ("test_efficientnet", {}),
    "Swin": (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)},
    ),
    "ViT": ("test_vit", {}),
}
# Method → options that make it fast.
SMALL: dict[str, dict[str, Any]] = {"unet": {"decoder_channels": (16, 16, 16, 8, 8)}}
SIZES = ((224, 224), (256, 256), (300, 417))
CELLS = {"unet": 1, "fpn": 4, "pan": 4, "deeplabv3plus": 4}  # pixels per cell; the others follow the encoder

CASES = [(method, kind) for method in METHODS for kind in KINDS]


def lack(method: str, kind: str) -> str:
    name = KINDS[kind][0]
    return METHODS[method].lacks(timm_module(name), name)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kind"), [case for case in CASES if not lack(*case)])
@pytest.mark.parametrize("size", SIZES)
def test_runs(method: str, kind: str, size: tuple[int, int]):
    torch.manual_seed(0)
    name, kwargs = KINDS[kind]
    model = build_model(f"{method}_{name}", 2, encoder_kwargs=kwargs, **SMALL.get(method, {}))
    x = torch.randn(2, 3, *size)
    stride = CELLS.get(method, model.encoder.strides[-1])
    expected = (20, 20) if method == "li2018" else tuple(-(-side // stride) for side in size)
    with torch.no_grad():
        for training in (False, True):
            logits, heatmap = model.train(training).forward_with_heatmap(x)
            assert heatmap.shape == (2, 2, *expected)
            assert logits.shape == (2, 2)
            assert logits.isfinite().all()
            assert heatmap.isfinite().all()


@pytest.mark.parametrize(("method", "kind"), [case for case in CASES if lack(*case)])
def test_refuses_and_names_the_reason(method: str, kind: str):
    with pytest.raises(ConfigError, match=lack(method, kind)):
        build_model(f"{method}_{KINDS[kind][0]}", 2)


def test_what_is_refused():
    assert {(method, kind) for method, kind in CASES if lack(method, kind)} == {
        *((method, "ViT") for method in ("unet", "fpn", "pan", "deeplabv3plus")),
        ("deeplabv3plus", "Swin"),
    }
