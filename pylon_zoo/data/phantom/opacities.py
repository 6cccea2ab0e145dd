"""Findings that whiten a part of the lung: spots, lumps, clouds, nets and plates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sin

import numpy as np

from pylon_zoo.data.drawing import Array, ridge, smoothstep, warped_noise
from pylon_zoo.data.phantom.anatomy import Anatomy
from pylon_zoo.data.phantom.chest import Layers
from pylon_zoo.data.phantom.placement import Box, Planned, ellipse, enclose, fill, place, within_lung


def plan_consolidation(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """Lung filled with exudate: a large cloudy patch without a border of its own."""
    rx, ry = rng.uniform(0.085, 0.130), rng.uniform(0.100, 0.160)
    x, y = place(rng, a, taken, room=0.45 * rx, reach=rx, heights=(0.25, 0.92))
    clouds = _noise(rng, 0.055), _noise(rng, 0.026)
    strength = rng.uniform(0.50, 0.80)

    def paint(w: Layers) -> None:
        px, py = (w.x - x) * (1.0 / rx), (w.y - y) * (1.0 / ry)
        ragged = 0.75 * clouds[0](w) + 0.40 * clouds[1](w)
        core = 1.0 - px * px - py * py
        fill(w, strength * smoothstep(core * 1.6) * smoothstep(0.55 + 0.6 * core + ragged), 0.04)

    return [Planned(enclose(a, *within_lung(a, *ellipse(x, y, rx, ry), np.sign(x)), 0.05), paint)]


def plan_fibrosis(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """Scarred interstitium: a net of fine lines over a zone of the lung."""
    rx, ry = rng.uniform(0.070, 0.105), rng.uniform(0.085, 0.135)
    x, y = place(rng, a, taken, room=0.4 * rx, reach=rx, heights=(0.15, 0.95))
    nets = [_noise(rng, cell) for cell in (0.034, 0.030, 0.026)]
    strength = rng.uniform(0.21, 0.29)

    def paint(w: Layers) -> None:
        px, py = (w.x - x) * (1.0 / rx), (w.y - y) * (1.0 / ry)
        lines = sum(ridge(net(w), 0.25) for net in nets)
        w.density += strength * smoothstep((1.0 - px * px - py * py) * 2.0) * w.lung * (np.clip(lines, 0.0, 1.2) - 0.25)

    return [Planned(enclose(a, *within_lung(a, *ellipse(x, y, rx, ry), np.sign(x)), 0.06), paint)]


def _noise(rng: np.random.Generator, cell: float) -> Callable[[Layers], Array]:
    """A random field in [-1, 1] with features about `cell` wide, its lattice turned so that it does not show."""
    table = rng.uniform(-1.0, 1.0, (16, 16)).astype(np.float32)
    turn = rng.uniform(0.2, 1.3)
    c, s = cos(turn) / cell, sin(turn) / cell
    return lambda w: warped_noise(table, c * w.x + s * w.y, c * w.y - s * w.x)


def plan_atelectasis(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """Plate-like collapse: one to three short thick bands, tapering at the ends, the first the longest."""
    half = rng.uniform(0.062, 0.088)
    x, y = place(rng, a, taken, room=0.05, reach=half, heights=(0.45, 0.97))
    slant = float(np.sign(x)) * rng.uniform(-0.75, 0.10)
    thick, strength = rng.uniform(0.0115, 0.0165), rng.uniform(0.28, 0.38)
    gap, count = rng.uniform(0.030, 0.045), int(rng.choice(3, p=(0.5, 0.35, 0.15))) + 1
    plates = [
        (
            gap * (k - 0.5 * (count - 1)),
            rng.uniform(-0.02, 0.02),
            half * rng.uniform(0.5, 0.9) ** k,
            rng.uniform(-0.02, 0.02),
        )
        for k in range(count)
    ]
    c, s = cos(slant), sin(slant)

    def paint(w: Layers) -> None:
        dx, dy = w.x - x, w.y - y
        along, across = c * dx + s * dy, c * dy - s * dx
        total = np.zeros_like(along)
        for offset, shift, length, bow in plates:
            t = (along - shift) * (1.0 / length)
            away = np.abs(across - offset - bow * t * t)
            width = thick * np.sqrt(np.clip(1.0 - t * t, 1e-6, 1.0))
            total = np.maximum(total, smoothstep(1.5 - 1.5 * away / width))
        w.density += strength * total * (0.25 + 0.75 * w.lung)

    t = np.linspace(-1.0, 1.0, 9)
    edges = [
        (shift + length * t, offset + bow * t * t + edge)
        for offset, shift, length, bow in plates
        for edge in (-thick, thick)
    ]
    along, across = (np.concatenate(part) for part in zip(*edges, strict=True))
    return [Planned(enclose(a, x + c * along - s * across, y + s * along + c * across, 0.14), paint)]


def plan_mass(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """A lump of 3 cm and more: dense, lobed, with a border one can draw."""
    radius = rng.uniform(0.056, 0.082)
    x, y = place(rng, a, taken, room=0.75 * radius, reach=radius, heights=(0.12, 0.92))
    lobes = [(k, rng.uniform(0.0, 0.085), rng.uniform(0.0, 2.0 * pi)) for k in (2, 3, 4)]
    strength, edge = rng.uniform(0.22, 0.34), rng.uniform(2.6, 4.5)

    def paint(w: Layers) -> None:
        dx, dy = w.x - x, w.y - y
        turn = np.arctan2(dy, dx)
        shape = 0.9 + sum(lobe * np.sin(k * turn + phase) for k, lobe, phase in lobes)
        q = np.sqrt(dx * dx + dy * dy) / (radius * np.minimum(shape, 1.0))
        w.density += strength * smoothstep((1.0 - q) * edge) * (1.12 - 0.3 * q * q)

    return [Planned(enclose(a, *ellipse(x, y, radius, radius), 0.12), paint)]


def plan_nodule(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """A round spot under 3 cm, sometimes two."""
    planned: list[Planned] = []
    for _ in range(2 if rng.random() < 0.25 else 1):
        radius = rng.uniform(0.0225, 0.0335) / a.pose.scale
        others = [*taken, *(one.box for one in planned)]
        x, y = place(rng, a, others, room=1.4 * radius, reach=1.5 * radius, heights=(0.10, 0.95))
        paint = _nodule(x, y, radius, rng.uniform(0.27, 0.40), rng.uniform(2.0, 3.2))
        planned.append(Planned(enclose(a, *ellipse(x, y, radius, radius), 0.16), paint))
    return planned


def _nodule(x: float, y: float, radius: float, strength: float, edge: float) -> Callable[[Layers], None]:
    def paint(w: Layers) -> None:
        dx, dy = w.x - x, w.y - y
        w.density += strength * smoothstep((1.0 - np.sqrt(dx * dx + dy * dy) * (1.0 / radius)) * edge)

    return paint
