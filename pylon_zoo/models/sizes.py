"""Which input sizes a timm backbone takes, and how it is made to take the others.

Every network runs at multiples of its coarsest stride: there all levels line up, and cell i of a map of stride s shows
exactly the pixels s·i … s·i + s − 1. Other inputs are padded at the right and bottom and the maps cropped back. timm
marks networks that only run at the size they were built for (`fixed_input_size`); an option lifts that for some, the
others are built for a given `img_size`, and smaller inputs padded to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import lcm
from typing import Any


@dataclass(frozen=True)
class SizeRule:
    """What a network needs beyond multiples of its coarsest stride.

    Attributes:
        multiple: both sides must be multiples of it as well; of it alone in a network that is built for its size.
        minimum: and no smaller than this, in pixels.
        square: height and width must be equal.
        native_only: the one size timm gives it is all it can be built for.
        options: keywords that let a network of one fixed size run at any.
    """

    multiple: int = 1
    minimum: int = 32
    square: bool = False
    native_only: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


ANY_PATCHES = {"dynamic_img_size": True, "dynamic_img_pad": True}
ANY_WINDOWS = {"strict_img_size": False}

# The first pattern that fits "timm_module/architecture" counts.
SIZE_RULES: dict[str, SizeRule] = {
    "byoanet/haloregnetz*": SizeRule(multiple=7 * 32),
    "byoanet/*halo*": SizeRule(multiple=8 * 32),
    "convit/*": SizeRule(square=True),
    "crossvit/*": SizeRule(multiple=240),
    "deit/*": SizeRule(options=ANY_PATCHES),
    "efficientformer/*": SizeRule(native_only=True),
    "eva/*": SizeRule(options=ANY_PATCHES),
    "inception_[rv]*/*": SizeRule(minimum=75),
    "mvitv2/*": SizeRule(square=True),
    "nest/*": SizeRule(square=True),
    "sequencer/*": SizeRule(multiple=14),
    "swin_transformer/*": SizeRule(options=ANY_WINDOWS),
    "swin_transformer_v2/*": SizeRule(options=ANY_WINDOWS),
    "vision_transformer/*": SizeRule(options=ANY_PATCHES),
}


def size_rule(module: str, arch: str) -> SizeRule:
    """The rule of a timm architecture, by its module (a file of `timm.models`) and name; most need none."""
    key = f"{module}/{arch}"
    return next((rule for pattern, rule in SIZE_RULES.items() if fnmatchcase(key, pattern)), SizeRule())


def round_up(size: tuple[int, int], multiple: int, rule: SizeRule) -> tuple[int, int]:
    """The smallest (height, width) in pixels that covers `size`, in steps of `multiple`, and obeys the rule.

    Example:
        >>> round_up((300, 417), 32, SizeRule())
        (320, 448)
    """
    step = lcm(multiple, rule.multiple)
    fewest = ceil_div(rule.minimum, step)
    # An exported graph has no `max` in it where one step is enough anyway.
    height, width = (
        step * (ceil_div(side, step) if fewest == 1 else max(ceil_div(side, step), fewest)) for side in size
    )
    return (max(height, width),) * 2 if rule.square else (height, width)


def ceil_div(a: int, b: int) -> int:
    """⌈a ÷ b⌉ of numbers above 0, without the usual `-(-a // b)`: exporters truncate where Python rounds down."""
    return (a + b - 1) // b
