"""Lung vessels: trees that leave the hila, fork, thin out and fade before the pleura."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pylon_zoo.data.drawing import Array, blur, splat
from pylon_zoo.data.phantom.pose import Pose

# Per generation: branches of each parent, steps, length, line width (sigma), contrast, fan-out (radians).
GENERATIONS = (
    (11, 14, 0.240, 0.0055, 0.100, 0.0),
    (5, 10, 0.105, 0.0033, 0.080, 0.55),
    (3, 7, 0.055, 0.0033, 0.048, 0.65),
)


@dataclass(frozen=True, slots=True)
class Vessels:
    """One polyline set per generation.

    Attributes:
        lines: per generation (branches, points, 2) in the patient frame.
        strength: how full the vessels of this patient are, about 1.
    """

    lines: tuple[Array, ...]
    strength: float


def grow_vessels(rng: np.random.Generator, width: float, hilum: float) -> Vessels:
    """Grow both lungs' trees.

    Args:
        rng: where the branches' directions come from.
        width: half the chest's width, for the length of the branches.
        hilum: height of the lung roots.
    """
    count, steps, length, *_ = GENERATIONS[0]
    sides = np.repeat((-1.0, 1.0), count)
    fan = np.tile(np.linspace(-1.45, 1.35, count), 2) + rng.normal(0.0, 0.10, 2 * count)
    starts: Array = np.stack((sides * rng.uniform(0.045, 0.085, 2 * count), hilum + 0.06 * np.sin(fan)), axis=-1)
    angles = np.where(sides > 0, fan, np.pi - fan)
    lengths = length * (width / 0.35) * rng.uniform(0.7, 1.25, 2 * count)
    lines = [_walk(rng, starts, angles, lengths, steps)]
    for count, steps, length, _, _, spread in GENERATIONS[1:]:
        parents = np.repeat(lines[-1], count, axis=0)
        at = rng.integers(1, parents.shape[1] - 1, len(parents))
        rows = np.arange(len(parents))
        starts, ahead = parents[rows, at], parents[rows, at + 1] - parents[rows, at]
        turn = spread * rng.choice((-1.0, 1.0), len(parents)) * rng.uniform(0.5, 1.4, len(parents))
        angles = np.arctan2(ahead[:, 1], ahead[:, 0]) + turn
        lines.append(_walk(rng, starts, angles, length * rng.uniform(0.5, 1.3, len(parents)), steps))
    return Vessels(tuple(line.astype(np.float32) for line in lines), float(rng.uniform(0.6, 1.2)))


def _walk(rng: np.random.Generator, starts: Array, angles: Array, lengths: Array, steps: int) -> Array:
    """Polylines that wander: (branches, steps + 1, 2)."""
    turns = np.cumsum(rng.normal(0.0, 0.13, (len(starts), steps)), axis=1) + angles[:, None]
    moves = np.stack((np.cos(turns), np.sin(turns)), axis=-1) * (lengths / steps)[:, None, None]
    return np.concatenate((starts[:, None], starts[:, None] + np.cumsum(moves, axis=1)), axis=1)


def draw_vessels(vessels: Vessels, pose: Pose, size: int) -> Array:
    """The trees as density, (size, size); not yet cut to the lungs."""
    picture = np.zeros((size, size), np.float32)
    for sigma in sorted({row[3] for row in GENERATIONS}):
        scale = max(sigma, 0.45 / size)
        parts = [
            _subdivide(lines, 0.9 * max(scale, 1.0 / size), vessels.strength * row[4] * 2.5 * sigma)
            for lines, row in zip(vessels.lines, GENERATIONS, strict=True)
            if row[3] == sigma
        ]
        points, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        u, v = pose.to_image(points[:, 0], points[:, 1])
        picture += blur(splat(u, v, weights, size), scale * size)
    return picture


def _subdivide(lines: Array, spacing: float, amount: float) -> tuple[Array, Array]:
    """Points along all segments, at most `spacing` apart, weighted by length and thinning along each line."""
    moves = np.diff(lines, axis=1)
    lengths = np.sqrt(np.square(moves).sum(axis=-1))
    parts = max(1, int(np.ceil(float(lengths.max()) / spacing)))
    at = (np.arange(parts, dtype=np.float32) + 0.5) / parts
    points = lines[:, :-1, None] + moves[:, :, None] * at[:, None]
    along = (np.arange(lengths.shape[1], dtype=np.float32)[:, None] + at) * (1.0 / lengths.shape[1])
    weights = lengths[:, :, None] * ((1.0 - 0.65 * along) * (amount / parts))
    return points.reshape(-1, 2), weights.reshape(-1)
