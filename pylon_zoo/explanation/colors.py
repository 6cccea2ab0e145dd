"""Colours for probabilities: perceptually ordered, safe for colour-blind readers, transparent where there is nothing.

Every map grows lighter from 0 to 1, so its order survives colour blindness and a black-and-white printer.
"""

from __future__ import annotations

import numpy as np

from pylon_zoo.errors import UnknownNameError, suggest

COLORMAPS: dict[str, str] = {
    "inferno": (
        "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 "
        "d04545 e35933 f1711f f98c0a fcaa0f f9c932 f2e865 fcffa4"
    ),
    "magma": (
        "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 "
        "cf4070 e55064 f4695c fb8761 fea571 fec287 fde0a1 fcfdbf"
    ),
    "plasma": (
        "0d0887 310597 4c02a1 6600a7 7e03a8 9511a1 aa2395 bc3587 cc4778 "
        "d9596a e56b5d f07f4f f89441 fdab33 fdc328 f9dd25 f0f921"
    ),
    "viridis": (
        "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c "
        "1f9f88 27ad81 3ebc74 5cc863 81d34d aadc32 d5e21a fde725"
    ),
    "cividis": (
        "00224e 002e6c 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 "
        "8b8778 9a9376 aaa073 bbad6d ccba64 ddc858 efd748 fee838"
    ),
}
"""Name → 17 evenly spaced sRGB anchors of the published map of that name (matplotlib's, CC0), linear in between."""

MAX_OPACITY = 0.7


def lookup_table(name: str = "inferno") -> np.ndarray:
    """A colour map as 256 colours.

    Args:
        name: a key of `COLORMAPS`.

    Returns:
        (256, 3) float32 sRGB in [0, 255], for values 0 to 1.

    Raises:
        UnknownNameError: no such map.

    Example:
        >>> lookup_table("viridis")[[0, 255]].tolist()
        [[68.0, 1.0, 84.0], [253.0, 231.0, 37.0]]
    """
    if name not in COLORMAPS:
        raise UnknownNameError(
            f"There is no colour map {name!r}; the maps are {', '.join(COLORMAPS)}.{suggest(name, COLORMAPS)}"
        )
    anchors = np.array([list(bytes.fromhex(color)) for color in COLORMAPS[name].split()], dtype=np.float32)
    positions = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(positions, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


def between(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Values as what colours stand for: 0 at the first end, 1 at the second.

    Args:
        values: of any shape.
        ends: lower and upper; where they are equal everything is 0.

    Example:
        >>> between(np.array([0.0, 0.5, 0.9]), (0.25, 0.75)).tolist()
        [0.0, 0.5, 1.0]
    """
    low, high = ends
    return ((values - low) / (high - low)).clip(0, 1) if high > low else np.zeros_like(values)


def blend(grey: np.ndarray, values: np.ndarray, table: np.ndarray, opacity: float = MAX_OPACITY) -> np.ndarray:
    """Lay the colours of values over a grey image, the more strongly the higher the value.

    Args:
        grey: (H, W) in [0, 255].
        values: (H, W) in [0, 1].
        table: (256, 3) of `lookup_table`.
        opacity: how much a value of 1 covers of the image, in [0, 1].

    Returns:
        (H, W, 3) float32 sRGB in [0, 255]; where a value is 0, exactly the grey.

    Example:
        >>> grey = np.full((1, 2), 100.0, np.float32)
        >>> blend(grey, np.array([[0.0, 1.0]], np.float32), lookup_table())[0, 0].tolist()
        [100.0, 100.0, 100.0]
    """
    values = values.astype(np.float32)
    alpha = opacity * values[..., None]
    colors = table[np.rint(values * 255).astype(np.intp)]
    blended: np.ndarray = grey[..., None].astype(np.float32) * (1 - alpha) + colors * alpha
    return blended
