"""Findings that move a border: the heart's, the fluid's, the lung's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pylon_zoo.data.drawing import Array, inside, join, ridge
from pylon_zoo.data.phantom.anatomy import Anatomy
from pylon_zoo.data.phantom.chest import WAIST, Layers
from pylon_zoo.data.phantom.placement import Box, Planned, either_side, enclose, fill


def plan_cardiomegaly(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """An enlarged heart: wider against the chest, rounder, denser, with the left atrium's double contour."""
    reach = rng.uniform(0.69, 0.80) * a.width
    factor = min(max(reach / (a.heart.x + a.heart.long), 1.22), 1.6)
    heart = a.heart.enlarged(factor, rng.uniform(-0.015, 0.005))
    atrium = replace(heart, x=heart.x - 0.02, y=heart.y - 0.02, long=0.62 * heart.long, short=0.66 * heart.short)
    dense, contour = rng.uniform(0.03, 0.07), rng.uniform(0.03, 0.06)

    def paint(w: Layers) -> None:
        depth = heart.distance(w.x, w.y)
        silhouette = inside(join(w.middle, depth, WAIST), heart.softness)
        grown = np.maximum(silhouette - w.centre, 0.0) / np.maximum(1.0 - w.centre, 1e-3)
        fill(w, grown, 0.16)
        thicker = dense * np.sqrt(np.clip(depth * (1.3 / heart.short), 0.0, 1.0))
        thicker += contour * inside(atrium.distance(w.x, w.y), heart.softness)
        w.density += thicker * inside(a.dome(w.x) + 0.01 - w.y, 0.02)

    x0, y0, x1, y1 = heart.extent()
    y1 = min(y1, max(a.domes) + 0.04)
    return [Planned(enclose(a, [x0, x1, x0, x1], [y0, y0, y1, y1], 0.045), paint)]


def plan_effusion(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """Fluid with a meniscus that rises along the chest wall and blunts the costophrenic angle; sometimes both."""
    side = either_side(rng)
    sides = (side, -side) if rng.random() < 0.25 else (side,)
    return [_effusion(rng, a, one) for one in sides]


def _effusion(rng: np.random.Generator, a: Anatomy, side: float) -> Planned:
    start = rng.uniform(0.36, 0.58) * a.width
    level, foot = (float(a.dome(np.float32(side * away))) for away in (start, a.width))
    rise, extra = rng.uniform(0.05, 0.15), rng.uniform(0.02, 0.08)

    def surface(away: Array) -> Array:
        t: Array = np.clip((away - start) * (1.0 / (a.width - start)), 0.0, 1.2)
        return level - rise * t * t * (0.35 + 0.65 * t)

    def paint(w: Layers) -> None:
        away = side * w.x
        fill(w, inside(w.y - surface(away), 0.010) * inside(away - start + 0.012, 0.012), extra)

    away = np.linspace(start - 0.012, a.width, 17)
    x = np.concatenate((side * away, side * away))
    y = np.concatenate((surface(away) - 0.01, np.minimum(a.dome(side * away), foot) + 0.01))
    return Planned(enclose(a, x, y, 0.12), paint)


def plan_pneumothorax(rng: np.random.Generator, a: Anatomy, taken: Sequence[Box]) -> list[Planned]:
    """Air around a collapsing lung: a fine pleural line, beyond it a darker rim without vessels."""
    side = either_side(rng)
    gap, sink = rng.uniform(0.045, 0.085), rng.uniform(0.025, 0.05)
    end = a.apex + rng.uniform(0.17, 0.38)
    dark, bright, squeezed = rng.uniform(0.08, 0.12), rng.uniform(0.13, 0.19), rng.uniform(0.03, 0.06)

    def border(y: Array) -> Array:
        t: Array = np.clip((y - a.apex) * (1.0 / (end - a.apex)), 0.0, 1.0)
        return a.lateral(y - sink * (1.0 - t)) - gap * (1.0 - t * t)

    def paint(w: Layers) -> None:
        away = side * w.x
        beyond = away - border(w.y)
        here = w.lung * inside(end - 0.02 - w.y, 0.02) * inside(away - 0.10, 0.02)
        rim = inside(beyond, 0.005) * here
        collapsed = inside(0.5 * gap + beyond, 0.5 * gap) * inside(-beyond, 0.005)
        w.density += (bright * ridge(beyond, 0.0085) + squeezed * collapsed) * here - rim * (dark + w.vessels)
        w.vessels *= 1.0 - rim

    y = np.linspace(a.apex, end, 25)
    x = np.concatenate((a.lateral(y), border(y) - 0.4 * gap))
    return [Planned(enclose(a, side * np.maximum(x, 0.08), np.concatenate((y, y)), 0.06), paint)]
