"""How a layer's output lies in memory, and how to turn it into maps (N, C, h, w)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

# Layout of maps → the two dimensions that are height and width; tokens have one dimension for both.
SIDES = {"NCHW": (2, 3), "NHWC": (1, 2)}
LAYOUTS = (*SIDES, "tokens")
MAX_PREFIX = 16  # class and register tokens; the models of today have at most 9


class Layout(NamedTuple):
    """Where the map is in a layer's output.

    Attributes:
        name: one of `LAYOUTS`.
        height, width: cells of the map.
        prefix: tokens in front of the map's.
    """

    name: str
    height: int
    width: int
    prefix: int = 0

    def to_map(self, output: Tensor) -> Tensor:
        """A layer's output (N, …) as a map (N, C, `height`, `width`); a view, where that is possible.

        Example:
            >>> import torch
            >>> Layout("tokens", 2, 3, prefix=1).to_map(torch.zeros(5, 7, 8)).shape
            torch.Size([5, 8, 2, 3])
        """
        if self.name == "NCHW":
            return output
        if self.name == "tokens":
            output = output[:, self.prefix :].unflatten(1, (self.height, self.width))
        return output.permute(0, 3, 1, 2)


class Hints(NamedTuple):
    """What a model says about its layers.

    Attributes:
        channels_last: timm's `output_fmt` is NHWC.
        prefix: timm's `num_prefix_tokens`, or None.
    """

    channels_last: bool = False
    prefix: int | None = None


NO_HINTS = Hints()


def hints_of(model: nn.Module) -> Hints:
    """What a timm model says about its layers; nothing, for other models."""
    prefix = getattr(model, "num_prefix_tokens", None)
    return Hints(
        channels_last=getattr(model, "output_fmt", None) == "NHWC", prefix=prefix if isinstance(prefix, int) else None
    )


def check_layout(name: str | None) -> None:
    """Nothing, if that is a layout or None.

    Raises:
        UnknownNameError: no layout has that name.
    """
    if name is not None and name not in LAYOUTS:
        raise UnknownNameError(f"layout={name!r} is not one of {', '.join(LAYOUTS)}.{suggest(str(name), LAYOUTS)}")


def recognise(shape: Sequence[int], size: tuple[int, int], hints: Hints = NO_HINTS) -> Layout | None:
    """The layout of an output that looks like a map of the image, or None.

    A grid fits an image if its height : width is the image's, give or take one cell. Four dimensions are NCHW if their
    last two fit, else NHWC if their middle two do; for a model that says it is NHWC, the other way round. Three are
    tokens (N, L, C) if L less a prefix fits: the prefix the model names, else the smallest, of at most 16.

    Args:
        shape: of the output, batch first.
        size: (H, W) of the image in pixels.
        hints: what the model says.

    Example:
        >>> recognise((1, 7, 7, 768), (224, 224))
        Layout(name='NHWC', height=7, width=7, prefix=0)
    """
    if len(shape) == 3:
        return _grid_of_tokens(shape[1], size, hints)
    if len(shape) != 4:
        return None
    names = ("NHWC", "NCHW") if hints.channels_last else ("NCHW", "NHWC")
    layouts = [_with_sides(name, shape) for name in names]
    return next((layout for layout in layouts if _fits(layout.height, layout.width, size)), None)


def layout_of(
    name: str, shape: Sequence[int], size: tuple[int, int], hints: Hints, override: str | None = None
) -> Layout:
    """The layout of the output of a layer that somebody chose.

    As `recognise`; and four dimensions of which none fit are taken as NCHW, the layout of all but a few networks.

    Args:
        name: of the layer, for messages.
        shape, size, hints: as for `recognise`.
        override: one of `LAYOUTS` that is true whatever the shape looks like.

    Raises:
        ConfigError: the output is not a map in any layout, or not in that one.
    """
    given = f"Layer {name!r} gives {tuple(shape)}"
    if override is not None and len(shape) != (3 if override == "tokens" else 4):
        raise ConfigError(f"{given}, which cannot be {override}; leave layout out or give another layer.")
    if override in ("NCHW", "NHWC"):
        return _with_sides(override, shape)
    layout = recognise(shape, size, hints)
    if layout is None and len(shape) == 4:
        return _with_sides("NCHW", shape)
    if layout is None:
        raise ConfigError(
            f"{given}, which is neither a map (N, C, h, w) or (N, h, w, C) nor tokens (N, L, C) on a grid of the shape "
            f"of the {size[0]}×{size[1]} images; give another layer."
        )
    return layout


def _with_sides(name: str, shape: Sequence[int]) -> Layout:
    row, column = SIDES[name]
    return Layout(name, shape[row], shape[column])


def _fits(height: int, width: int, size: tuple[int, int]) -> bool:
    return abs(height * size[1] - width * size[0]) <= max(size)


def _grid_of_tokens(length: int, size: tuple[int, int], hints: Hints) -> Layout | None:
    prefixes = [*([] if hints.prefix is None else [hints.prefix]), *range(MAX_PREFIX + 1)]
    for prefix in prefixes:
        cells = length - prefix
        if cells <= 0:
            continue
        height = max(1, round(sqrt(cells * size[0] / size[1])))
        if cells % height == 0 and _fits(height, cells // height, size):
            return Layout("tokens", height, cells // height, prefix)
    return None
