"""What drawn images are made of: soft edges, random streams and random fields that mean the same at every size.

Lengths are in units of the image side. Pictures are made of elementwise float32 steps in a fixed order, without matrix
products, so a machine always draws the same one.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Pictures are float32; lengths and angles drawn for a patient may be float64, as the generator gives them."""
Numbers = TypeVar("Numbers", NDArray[np.floating[Any]], np.floating[Any])
"""Many, or one."""


@lru_cache(maxsize=8)
def _philox_key(seed: int, index: int) -> tuple[int, int]:
    low, high = np.random.SeedSequence((seed, index)).generate_state(2, np.uint64)
    return int(low), int(high)


def stream(seed: int, index: int, number: int) -> np.random.Generator:
    """One of the random streams of an image: same arguments, same numbers, in any order of asking.

    The image's key is hashed from (seed, index); `number` is the top word of Philox's counter, so streams of one image
    are 2¹⁹² draws apart.

    Example:
        >>> bool(stream(0, 1, 2).random() == stream(0, 1, 2).random() != stream(0, 1, 3).random())
        True
    """
    bits = np.random.Philox(
        key=np.array(_philox_key(seed, index), np.uint64), counter=np.array((0, 0, 0, number), np.uint64)
    )
    return np.random.Generator(bits)


def smoothstep(x: Numbers) -> Numbers:
    """0 below 0, 1 above 1, smooth between: an edge that ends, unlike a Gaussian's."""
    t: Numbers = np.clip(x, 0.0, 1.0)
    step = t * -2.0
    step += 3.0
    step *= t
    step *= t
    return step


def inside(distance: Numbers, softness: float) -> Numbers:
    """How far inside: 0 where `distance <= -softness`, 1 where `distance >= softness`."""
    return smoothstep(distance * (0.5 / softness) + 0.5)


def ridge(distance: Array, width: float) -> Array:
    """A line: 1 where `distance` is 0, 0 from `width` on either side."""
    return smoothstep(1.0 - np.abs(distance) * (1.0 / width))


def join(first: Array, second: Array, blend: float) -> Array:
    """Distance inside the union of two shapes, with the notch between them filled over `blend`."""
    near = np.maximum(blend - np.abs(first - second), 0.0)
    return np.maximum(first, second) + near * near * (0.25 / blend)


@lru_cache(maxsize=16)
def pixel_centres(size: int) -> Array:
    """(size,) centres of the pixels in [0, 1]."""
    centres = ((np.arange(size) + 0.5) / size).astype(np.float32)
    centres.flags.writeable = False
    return centres


def pixels_between(low: float, high: float, size: int) -> slice:
    """The pixels whose centres lie in [low, high] of [0, 1]; perhaps none."""
    first = max(ceil(low * size - 0.5), 0)
    return slice(first, max(int(high * size + 0.5), first))


def value_noise(table: Array, u: Array, v: Array) -> Array:
    """A smooth random field on a rectangle: `table` spread over [0, 1]², interpolated with smooth weights.

    Args:
        table: (n, m) values.
        u: (W,) positions along the columns in [0, 1].
        v: (H,) positions along the rows in [0, 1].

    Returns:
        (H, W) field within the values' range.
    """

    def lerp(values: Array, at: Array) -> Array:
        place = at * (len(values) - 1.0)
        low = np.minimum(place.astype(np.int32), len(values) - 2)
        weight = smoothstep(place - low)[:, None]
        below: Array = values[low]
        above: Array = values[low + 1]
        return below + weight * (above - below)

    return lerp(lerp(table, v).T, u).T


def warped_noise(table: Array, u: Array, v: Array) -> Array:
    """The same field at free positions, wrapping around: `u` and `v` count cells and have one shape."""
    rows, columns = table.shape
    floor_u, floor_v = np.floor(u), np.floor(v)
    fu, fv = smoothstep(u - floor_u), smoothstep(v - floor_v)
    left, top = floor_u.astype(np.int32) % columns, floor_v.astype(np.int32) % rows
    right, bottom = (left + 1) % columns, (top + 1) % rows
    upper: Array = table[top, left] * (1.0 - fu) + table[top, right] * fu
    lower: Array = table[bottom, left] * (1.0 - fu) + table[bottom, right] * fu
    return upper * (1.0 - fv) + lower * fv


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur by shifted sums; `sigma` in pixels, zero outside the image."""
    radius = max(1, int(2.6 * sigma + 0.5))
    taps = np.exp(-0.5 * (np.arange(radius + 1) / max(sigma, 0.3)) ** 2)
    taps = (taps / (2.0 * taps[1:].sum() + taps[0])).astype(np.float32)
    for _ in range(2):
        out = image * taps[0]
        for shift in range(1, radius + 1):
            part = taps[shift] * image
            out[shift:] += part[:-shift]
            out[:-shift] += part[shift:]
        image = np.ascontiguousarray(out.T)
    return image


def splat(u: Array, v: Array, weight: Array, size: int) -> Array:
    """Points as a picture: every point's weight shared by the four nearest pixels, per unit of area.

    Args:
        u: (P,) columns in [0, 1]; points outside are dropped.
        v: (P,) rows in [0, 1].
        weight: (P,) what each point adds up to over the picture.
        size: side of the square picture.

    Returns:
        (size, size) float32, such that its mean is the sum of the weights that fell inside.
    """
    x, y = u * size - 0.5, v * size - 0.5
    keep = (x >= 0) & (y >= 0) & (x < size - 1) & (y < size - 1)
    x, y, weight = x[keep], y[keep], weight[keep] * float(size * size)
    column, row = x.astype(np.int64), y.astype(np.int64)
    fx, fy = x - column, y - row
    corner = row * size + column
    right, left = fx * weight, (1.0 - fx) * weight
    where = np.concatenate((corner, corner + 1, corner + size, corner + size + 1))
    shares = np.concatenate((left * (1.0 - fy), right * (1.0 - fy), left * fy, right * fy))
    return np.bincount(where, weights=shares, minlength=size * size).astype(np.float32).reshape(size, size)
