"""What the contract is tried on: every method, made small, on every kind of backbone. A new method is one row in
`METHOD_OPTIONS`; what follows a hyphen is a variant of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.names import timm_module

CLASSES = 3

# Method → options that make it small.
METHOD_OPTIONS: dict[str, dict[str, Any]] = {
    "cam": {},
    "deeplabv3plus": {"decoder_channels": 8},
    "fpn": {"pyramid_channels": 8, "decoder_channels": 32},
    "li2018": {"decoder_channels": 8},
    "pan": {"decoder_channels": 8},
    "pylon": {"decoder_channels": 8},
    "pylon-stem": {"decoder_channels": 8, "stem": True},
    "unet": {"decoder_channels": (8, 8, 8, 8, 8)},
}


@dataclass(frozen=True)
class Kind:
    """A kind of backbone.

    Attributes:
        name: a small member, made smaller by `kwargs`.
        stem: its first parameter.
        recomputed: a module that gradient checkpointing runs twice; empty where timm has no checkpointing.
        unused: parameters that none of its maps depends on.
        exempts: whether it exempts parameters from weight decay.
    """

    name: str
    stem: str
    recomputed: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    exempts: bool = False


KINDS = {
    "batch-norm": Kind("test_resnet", "model.conv1.0.weight", "model.layer3.0.conv1"),
    "channels-last": Kind("test_mambaout", "model.stem.conv1.weight", "model.stages_1.downsample.conv"),
    "one-stride": Kind(
        "test_vit", "model.model.patch_embed.proj.weight", "model.model.blocks.0.attn.qkv", exempts=True
    ),
    "fixed-size": Kind("test_vit_relpos", "model.model.patch_embed.proj.weight", "model.model.blocks.0.attn.qkv"),
    "hooked": Kind(
        "pit_ti_224",
        "model.body.patch_embed.conv.weight",
        kwargs={"base_dims": (8, 8, 8), "depth": (1, 1, 1)},
        unused=("encoder.model.body.norm.weight", "encoder.model.body.norm.bias"),
        exempts=True,
    ),
}

# Method → size of its heatmap, where it is not the finest level of the encoder's.
HEATMAP_SIZES: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "deeplabv3plus": lambda height, width: (-(-height // 4), -(-width // 4)),
    "li2018": lambda height, width: (20, 20),
    "pylon-stem": lambda height, width: (-(-height // 4), -(-width // 4)),
    "unet": lambda height, width: (height, width),
}
# Method → its pooling, where that is not the maximum.
POOLED: dict[str, Callable[[Tensor], Tensor]] = {
    "li2018": lambda maps: torch.logit(1 - (1 - 0.02 * maps.double().sigmoid()).flatten(2).prod(dim=2)).float(),
}

Build = Callable[..., HeatmapClassifier]


def can_carry(kind: str, method: str) -> bool:
    if method == "pylon-stem":
        return kind in ("one-stride", "fixed-size", "hooked")  # the others have a level as fine
    return not METHODS[method].lacks(timm_module(KINDS[kind].name), KINDS[kind].name)


def pooled(model: HeatmapClassifier, maps: Tensor) -> Tensor:
    """What the method's own pooling makes of maps, computed another way."""
    method = model.architecture.partition("_")[0]
    return POOLED.get(method, lambda maps: maps.amax(dim=(2, 3)))(maps)


def images(n: int = 2, height: int = 64, width: int = 96, chans: int = 3) -> Tensor:
    return torch.randn(n, chans, height, width, generator=torch.Generator().manual_seed(2))
