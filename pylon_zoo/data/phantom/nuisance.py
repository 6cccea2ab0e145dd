"""What is no finding: exposure, objects on the patient, markers, collimation, noise, and harmless spots.

All of it is drawn by lot before any finding is painted, and acts on each pixel by itself, so it leaks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pylon_zoo.data.drawing import Array, blur, inside, pixel_centres, smoothstep, splat, value_noise
from pylon_zoo.data.phantom.anatomy import Anatomy
from pylon_zoo.data.phantom.chest import Layers
from pylon_zoo.data.phantom.placement import either_side, ellipse, enclose

LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """From density to grey, fixed per image before the findings are known.

    Attributes:
        low: density shown black.
        high: density shown nearly white.
        gamma: bends the greys.
        tilt: brightness gradient across and down the image.
        grain: noise, standard deviation of the grey value in a bright pixel.
    """

    low: float
    high: float
    gamma: float
    tilt: tuple[float, float]
    grain: float


def sample_exposure(rng: np.random.Generator) -> Exposure:
    """Draw how the picture was taken."""
    low = float(rng.uniform(0.00, 0.14))
    return Exposure(
        low=low,
        high=low + float(rng.uniform(0.82, 1.06)),
        gamma=float(rng.uniform(0.80, 1.35)),
        tilt=(float(rng.normal(0.0, 0.03)), float(rng.normal(0.0, 0.03))),
        grain=float(rng.uniform(0.008, 0.024)),
    )


def develop(density: Array, exposure: Exposure) -> Array:
    """Density → grey in [0, 1], with a film's soft shoulder."""
    grey: Array = np.clip((density - exposure.low) * (1.0 / (exposure.high - exposure.low)), 0.0, 9.0)
    square = grey * grey
    grey = grey / np.sqrt(np.sqrt(1.0 + square * square))
    return grey ** np.float32(exposure.gamma)


def add_texture(rng: np.random.Generator, density: Array) -> None:
    """Uneven tissue and scatter: smooth noise at three scales, in place."""
    centres = pixel_centres(len(density))
    for cells, amount in ((4, 0.035), (11, 0.022), (30, 0.012)):
        table = rng.uniform(-1.0, 1.0, (cells, cells)).astype(np.float32)
        density += np.float32(amount) * value_noise(table, centres, centres) * (density > 0.02)


def add_spots(rng: np.random.Generator, a: Anatomy, layers: Layers) -> None:
    """Nipple shadows, vessels seen end-on and calcified granulomas: like nodules, but fainter, smaller or harder."""
    if rng.random() < 0.35:
        across, down, radius = rng.uniform(0.50, 0.68), rng.uniform(0.02, 0.09), rng.uniform(0.014, 0.019)
        for side in (-1.0, 1.0):
            _spot(layers, a, side * across * a.width, a.domes[0] - down, radius, rng.uniform(0.04, 0.07), 1.0)
    for _ in range(int(rng.integers(0, 5))):
        side, away, y = either_side(rng), rng.uniform(0.09, 0.19), a.hilum + rng.uniform(-0.10, 0.10)
        _spot(layers, a, side * away, y, rng.uniform(0.007, 0.010), rng.uniform(0.07, 0.14), 1.5)
    for _ in range(int(rng.poisson(0.5))):
        y = rng.uniform(a.apex + 0.08, a.domes[0] - 0.03)
        x = either_side(rng) * rng.uniform(0.35, 0.9) * float(a.lateral(np.float32(y)))
        _spot(layers, a, x, y, rng.uniform(0.006, 0.009), rng.uniform(0.20, 0.32), 3.0)


def _spot(layers: Layers, a: Anatomy, x: float, y: float, radius: float, amount: float, edge: float) -> None:
    w = layers.window(enclose(a, *ellipse(x, y, radius, radius), 0.1))
    dx, dy = w.x - x, w.y - y
    w.density += amount * smoothstep((1.0 - np.sqrt(dx * dx + dy * dy) * (1.0 / radius)) * edge) * w.lung


def overlay(rng: np.random.Generator, a: Anatomy, size: int) -> Array:
    """Metal and plastic on the patient: electrodes with leads, tubes. Density to add, (size, size)."""
    picture = np.zeros((size, size), np.float32)
    centres = pixel_centres(size)
    u, v = centres[None, :], centres[:, None]
    if rng.random() < 0.25:
        for _ in range(int(rng.integers(1, 5))):
            x, y = rng.uniform(0.12, 0.88), rng.uniform(0.15, 0.85)
            q = np.sqrt(np.square(u - x) + np.square(v - y))
            picture += 0.20 * smoothstep((0.013 - q) * 350.0) + 0.10 * smoothstep(1.0 - np.abs(q - 0.022) * 300.0)
            end = (0.5 + 0.52 * either_side(rng), y + rng.uniform(-0.2, 0.4))
            picture += _wire(rng, (x, y), end, 0.16, 0.0022, size)
    if rng.random() < 0.25:
        u0, v0 = a.pose.to_image(np.float32(rng.uniform(-0.01, 0.03)), np.float32(rng.uniform(-0.2, 0.2)))
        picture += _wire(rng, (float(u0), float(v0)), (0.5 + rng.uniform(-0.05, 0.05), -0.02), 0.10, 0.0032, size)
    if rng.random() < 0.20:
        side = either_side(rng)
        u0, v0 = a.pose.to_image(np.float32(-0.03), np.float32(-0.05))
        picture += _wire(rng, (float(u0), float(v0)), (0.5 + side * 0.3, rng.uniform(0.0, 0.2)), 0.10, 0.0026, size)
    return picture


def _wire(
    rng: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    amount: float,
    sigma: float,
    size: int,
) -> Array:
    """A slack wire: a cubic curve between two points."""
    bend = rng.normal(0.0, 0.12, (2, 2))
    p0, p3 = np.array(start), np.array(end)
    p1, p2 = p0 + (p3 - p0) / 3 + bend[0], p0 + (p3 - p0) * 2 / 3 + bend[1]
    t = ((np.arange(4 * size) + 0.5) / (4 * size))[:, None]
    points = (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3
    length = np.sqrt(np.square(np.gradient(points, axis=0)).sum(axis=1))
    weight = (length * amount * 2.5 * sigma).astype(np.float32)
    return blur(splat(points[:, 0], points[:, 1], weight, size), max(sigma, 0.45 / size) * size)


def stamp(rng: np.random.Generator, grey: Array) -> None:
    """A side marker in an upper corner, in place: the letter, or a bar."""
    size = len(grey)
    if rng.random() < 0.25:
        return
    left = rng.random() < 0.7
    u0, v0 = (rng.uniform(0.86, 0.94) if left else rng.uniform(0.03, 0.10)), rng.uniform(0.02, 0.10)
    cell = rng.uniform(0.006, 0.009)
    rows = LETTERS["L" if left else "R"] if rng.random() < 0.8 else ("11111",) * 2
    shape = np.array([[pixel == "1" for pixel in row] for row in rows])
    at = pixel_centres(size)
    column, row = np.floor((at - u0) / cell).astype(int), np.floor((at - v0) / cell).astype(int)
    columns, rows_ = np.flatnonzero((column >= 0) & (column < 5)), np.flatnonzero((row >= 0) & (row < len(shape)))
    if columns.size and rows_.size:
        patch = grey[rows_[0] : rows_[-1] + 1, columns[0] : columns[-1] + 1]
        mask = shape[np.ix_(row[rows_], column[columns])]
        patch[mask] = np.maximum(patch[mask], np.float32(rng.uniform(0.40, 0.80)))


def collimate(rng: np.random.Generator, grey: Array) -> None:
    """Dark borders where the shutter was, in place, on some sides of some images."""
    centres = pixel_centres(len(grey))
    if rng.random() < 0.4:
        return
    left, top, right, bottom = rng.uniform(0.0, (0.035, 0.035, 0.035, 0.070)) * (rng.random(4) < 0.5)
    u = inside(centres - left, 0.004) * inside(1.0 - right - centres, 0.004)
    v = inside(centres - top, 0.004) * inside(1.0 - bottom - centres, 0.004)
    grey *= 0.05 + 0.95 * v[:, None] * u[None, :]


def add_noise(rng: np.random.Generator, grey: Array, grain: float) -> None:
    """Quantum noise, in place: per pixel, growing with the square root of the grey value."""
    noise = rng.standard_normal(grey.shape, dtype=np.float32)
    grey += np.float32(grain) * np.sqrt(0.15 + 0.85 * grey) * noise
