"""Which timm networks have the pyramid that segmentation decoders are made for, and which of them can be dilated.

The decoders want maps of stride 4, 8, 16 and 32, each half its neighbour; DeepLabV3+ wants the last stage dilated to
stride 16 besides. `benchmarks/sweep_segmentation.py` builds them all and holds these tables against timm.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache

# What a network lacks → patterns of "timm_module/architecture", as in `sizes.SIZE_RULES`.
NO_PYRAMID: dict[str, tuple[str, ...]] = {
    "all its maps have one size": (
        "beit/*",
        "cait/*",
        "convit/*",
        "convmixer/*",
        "deepseek_vit/*",
        "deit/*",
        "eva/*",
        "gemma4_vit/*",
        "mlp_mixer/*",
        "naflexvit/*",
        "qwen3_vit/*",
        "tnt/*",
        "vision_transformer/*",
        "vision_transformer_hybrid/*",
        "vision_transformer_relpos/*",
        "vision_transformer_sam/*",
        "vitamin/*",
        "volo/*",
        "xcit/*",
    ),
    "its maps do not have the strides 4, 8, 16 and 32": (
        "crossvit/*",
        "csatv2/*",
        "cspnet/sedarknet21",
        "efficientvim/*",
        "efficientvit_msra/*",
        "levit/*",
        "nest/*",
        "pit/*",
        "sequencer/*",
        "shvit/*",
        "visformer/*",
    ),
    "its convolutions are not padded, so its maps are a few cells short of half": (
        "inception_resnet_v2/*",
        "inception_v3/*",
        "inception_v4/*",
        "nasnet/*",
        "pnasnet/*",
        "xception/*",
    ),
}

# Families whose last stage timm can dilate (`output_stride=16`).
DILATABLE = (
    "byoanet/*",
    "byobnet/*",
    "convnext/*",
    "cspnet/*",
    "cspnext/*",
    "efficientnet/*",
    "hardcorenas/*",
    "inception_next/*",
    "mobilenetv3/*",
    "mobilevit/*",
    "nfnet/*",
    "regnet/*",
    "res2net/*",
    "resnest/*",
    "resnet/*",
    "resnetv2/*",
    "rexnet/*",
    "sknet/*",
    "xception_aligned/*",
)


def lacks_pyramid(module: str, arch: str) -> str:
    """What keeps a network from carrying a segmentation decoder, in a few words; empty if nothing does.

    Args:
        module: the file of `timm.models` that defines it.
        arch: its name, without a tag.

    Example:
        >>> lacks_pyramid("resnet", "resnet50"), lacks_pyramid("vision_transformer", "vit_tiny_patch16_224")
        ('', 'all its maps have one size')
    """
    return next((lack for lack, patterns in NO_PYRAMID.items() if _fits(module, arch, patterns)), "")


def lacks_dilation(module: str, arch: str) -> str:
    """The same for DeepLabV3+, whose encoder is dilated.

    Example:
        >>> lacks_dilation("densenet", "densenet121")
        'timm cannot dilate its last stage to stride 16'
    """
    if _fits(module, arch, DILATABLE):
        return lacks_pyramid(module, arch)
    return lacks_pyramid(module, arch) or "timm cannot dilate its last stage to stride 16"


def _fits(module: str, arch: str, patterns: tuple[str, ...]) -> bool:
    return _one_of(patterns).match(f"{module}/{arch}") is not None


@cache
def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Shell patterns as one expression: names by the thousand are held against them."""
    return re.compile("|".join(map(translate, patterns)))
