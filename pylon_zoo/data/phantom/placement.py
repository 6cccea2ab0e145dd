"""What all findings share: boxes, free places in the lungs, and lung that turns into tissue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pylon_zoo.data.drawing import Array
from pylon_zoo.data.phantom.anatomy import Anatomy
from pylon_zoo.data.phantom.chest import Layers

Box = tuple[float, float, float, float]
CANDIDATES = 24
UNIT_CIRCLE = np.exp(2j * np.pi * np.arange(32) / 32)


@dataclass(frozen=True, slots=True)
class Planned:
    """One instance of a finding.

    Attributes:
        box: x0, y0, x1, y1 in image coordinates [0, 1].
        paint: changes the window of layers that the box covers.
    """

    box: Box
    paint: Callable[[Layers], None]


Plan = Callable[[np.random.Generator, Anatomy, Sequence[Box]], list[Planned]]


def enclose(a: Anatomy, x: ArrayLike, y: ArrayLike, margin: float) -> Box:
    """The box around points of the patient frame, widened by `margin` of its side on each side."""
    u, v = a.pose.to_image(np.asarray(x), np.asarray(y))
    (x0, x1), (y0, y1) = ((float(at.min()), float(at.max())) for at in (u, v))
    wide, high = (x1 - x0) * margin, (y1 - y0) * margin
    return max(x0 - wide, 0.0), max(y0 - high, 0.0), min(x1 + wide, 1.0), min(y1 + high, 1.0)


def ellipse(x: float, y: float, rx: float, ry: float) -> tuple[Array, Array]:
    """Points on an upright ellipse."""
    return x + rx * UNIT_CIRCLE.real, y + ry * UNIT_CIRCLE.imag


def within_lung(a: Anatomy, x: Array, y: Array, side: float) -> tuple[Array, Array]:
    """Points pulled back to the lung on one side (-1 the patient's right, 1 the left)."""
    y = np.maximum(y, a.apex)
    away = np.minimum(np.maximum(side * x, 0.6 * a.mediastinum), a.lateral(y))
    return side * away, np.minimum(y, a.dome(side * away))


def clearance(a: Anatomy, x: Array, y: Array) -> Array:
    """Distance from points to the nearest border of the lungs, negative outside them."""
    wall = np.minimum(a.lateral(y) - np.abs(x), a.dome(x) - y)
    middle = np.minimum(np.abs(x - a.axis(y)) - a.mediastinum - 0.025, -a.heart.distance(x, y))
    nearest: Array = np.minimum(wall, middle)
    return nearest


def place(
    rng: np.random.Generator,
    a: Anatomy,
    taken: Sequence[Box],
    *,
    room: float,
    reach: float,
    heights: tuple[float, float],
) -> tuple[float, float]:
    """A spot in the lungs, away from the boxes already planned: the best of some drawn by lot.

    Args:
        rng: the finding's stream.
        a: the patient.
        taken: boxes planned before, present or not, so that presence moves nothing.
        room: wanted clearance to the lung's borders.
        reach: half the side of the finding, for its overlap with `taken`.
        heights: highest and lowest position, as fractions of the lung's height from the apex.

    Returns:
        x, y in the patient frame.
    """
    side, across, down = rng.random((3, CANDIDATES))
    low, high = heights
    y = a.apex + (low + (high - low) * down) * (min(a.domes) + 0.02 - a.apex)
    x = np.where(side < 0.5, -1.0, 1.0) * (0.2 + 0.75 * across) * a.lateral(y)
    bad = 4.0 * np.maximum(room - clearance(a, x, y), 0.0) / reach
    if taken:
        u, v = a.pose.to_image(x, y)
        x0, y0, x1, y1 = np.array(taken).T[:, :, None]
        wide = np.maximum(np.minimum(u + reach, x1) - np.maximum(u - reach, x0), 0.0)
        tall = np.maximum(np.minimum(v + reach, y1) - np.maximum(v - reach, y0), 0.0)
        bad += (wide * tall).sum(axis=0) / (4.0 * reach * reach)
    best = int(bad.argmin())
    return float(x[best]), float(y[best])


def either_side(rng: np.random.Generator) -> float:
    """-1, the patient's right, or 1, the left."""
    return 1.0 if rng.random() < 0.5 else -1.0


def fill(w: Layers, amount: Array, extra: float) -> None:
    """Replace lung by tissue: give back the density that the air took, hide the vessels, add `extra`."""
    w.density += amount * (w.air - w.vessels + extra * w.lung)
    w.air *= 1.0 - amount
    w.vessels *= 1.0 - amount
