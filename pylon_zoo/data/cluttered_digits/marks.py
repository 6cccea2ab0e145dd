"""Patterns of ink: where they go, and how they are painted. Lengths are in units of the image side."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from pylon_zoo.data.drawing import Array, blur, pixel_centres, pixels_between, smoothstep, warped_noise

HEIGHTS = (0.15, 0.30)  # of digits and of fragments
MAX_OVERLAP = 0.1  # of a box with another, as a share of the smaller; smaller digits overlap less
CELLS = 4  # of an enlarged pattern, for each pixel of a digit
PAPER, INK = 0.28, 0.8  # what covers nothing of an enlarged pattern, and what covers all


@dataclass(frozen=True, slots=True)
class Mark:
    """A pattern of ink somewhere in the picture: a digit or a fragment.

    Attributes:
        ink: (n, n) the pattern, enlarged.
        turn: ((a, b), (c, d)) from cells of the pattern to lengths in the picture, about the pattern's middle.
        middle: x, y of the pattern's middle.
        box: x0, y0, x1, y1 around its ink.
        contrast: its grey value less the background's.
    """

    ink: Array
    turn: tuple[tuple[float, float], tuple[float, float]]
    middle: tuple[float, float]
    box: tuple[float, float, float, float]
    contrast: float


def place(rng: np.random.Generator, pattern: Array, height: float, taken: list[Mark]) -> Mark:
    """A pattern turned, sheared and stretched a little, where of 48 places it overlaps least with what is there.

    Args:
        rng: of these decisions.
        pattern: (8, 8) ink in [0, 1].
        height: of the 8 pixels; less where there is no room.
        taken: what it should not overlap with.
    """
    ink = enlarged(pattern)
    unit = height / (len(pattern) * CELLS)
    angle, shear, stretch = radians(rng.uniform(-15.0, 15.0)), rng.uniform(-0.2, 0.2), rng.uniform(0.85, 1.2)
    a, c = stretch * unit * cos(angle), stretch * unit * sin(angle)
    b, d = shear * a - unit * sin(angle), shear * c + unit * cos(angle)
    rows, columns = np.nonzero(ink > PAPER)
    across, down = columns - 0.5 * (len(ink) - 1), rows - 0.5 * (len(ink) - 1)
    x, y = a * across + b * down, c * across + d * down
    left, top = float(x.min()) - 0.5 * unit, float(y.min()) - 0.5 * unit
    wide, high = float(x.max()) + 0.5 * unit - left, float(y.max()) + 0.5 * unit - top

    corners = rng.random((48, 2)) * (1.0 - wide, 1.0 - high)
    overlap = overlaps(corners, wide, high, np.array([mark.box for mark in taken]).reshape(-1, 4))
    best = int(overlap.argmin())
    if overlap[best] > MAX_OVERLAP and height > HEIGHTS[0]:
        return place(rng, pattern, max(0.8 * height, HEIGHTS[0]), taken)
    x0, y0 = corners[best].tolist()
    contrast = float(rng.uniform(0.25, 0.60))
    return Mark(ink, ((a, b), (c, d)), (x0 - left, y0 - top), (x0, y0, x0 + wide, y0 + high), contrast)


def enlarged(pattern: Array) -> Array:
    """(48, 48) an (8, 8) pattern with two pixels of paper around it, blurred until its pixels no longer show."""
    ink = np.zeros((12 * CELLS, 12 * CELLS), np.float32)
    ink[2 * CELLS : -2 * CELLS, 2 * CELLS : -2 * CELLS] = pattern.repeat(CELLS, 0).repeat(CELLS, 1)
    return blur(ink, 0.4 * CELLS)


def overlaps(corners: Array, wide: float, high: float, taken: Array) -> Array:
    """(P,) the most that a box with its upper left corner at each of (P, 2) shares with one of (T, 4) boxes.

    In shares of the smaller of the two boxes.
    """
    x, y = corners[:, :1], corners[:, 1:]
    left, top, right, bottom = taken.T
    across = np.minimum(x + wide, right) - np.maximum(x, left)
    down = np.minimum(y + high, bottom) - np.maximum(y, top)
    shared = np.maximum(across, 0.0) * np.maximum(down, 0.0)
    most: Array = (shared / np.minimum((right - left) * (bottom - top), wide * high)).max(axis=1, initial=0.0)
    return most


def paint(mark: Mark, grey: Array, level: float) -> None:
    """Paint a mark over what is there, on pixels whose centres are in its box; small pictures are sampled finer.

    Args:
        mark: what to paint.
        grey: (size, size), changed in place.
        level: grey value of the background.
    """
    size = len(grey)
    fine = max(1, 128 // size)
    x0, y0, x1, y1 = mark.box
    columns, rows = pixels_between(x0, x1, size), pixels_between(y0, y1, size)
    centres = pixel_centres(size * fine)
    across = centres[columns.start * fine : columns.stop * fine][None, :] - np.float32(mark.middle[0])
    down = centres[rows.start * fine : rows.stop * fine][:, None] - np.float32(mark.middle[1])
    (a, b), (c, d) = mark.turn
    scale, half = 1.0 / (a * d - b * c), 0.5 * (len(mark.ink) - 1)
    u = np.float32(d * scale) * across - np.float32(b * scale) * down + np.float32(half)
    v = np.float32(a * scale) * down - np.float32(c * scale) * across + np.float32(half)
    cover = smoothstep((warped_noise(mark.ink, u, v) - PAPER) * (1.0 / (INK - PAPER)))
    if fine > 1:
        cover = cover.reshape(cover.shape[0] // fine, fine, -1, fine).mean(axis=(1, 3))
    blend(grey[rows, columns], cover, level + mark.contrast)


def blend(grey: Array, cover: Array, value: float) -> None:
    """Paint `value` in place as far as `cover`, in [0, 1], says."""
    grey += cover * (np.float32(value) - grey)
