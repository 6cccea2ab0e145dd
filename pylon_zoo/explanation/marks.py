"""Lines on a picture that stay visible on dark and bright: a white stroke with a dark rim, edges smooth."""

from __future__ import annotations

import numpy as np

Color = tuple[int, int, int]
WHITE: Color = (255, 255, 255)
DARK: Color = (0, 0, 0)
TRUE_COLOR: Color = (90, 170, 255)
"""Of what is known to be there, beside the white of what a model says."""


def draw_contour(canvas: np.ndarray, values: np.ndarray, level: float) -> None:
    """Draw a thin line where `values` cross `level`, in place.

    Args:
        canvas: (H, W, 3) float32 in [0, 255].
        values: (H, W).
        level: the value to follow.
    """
    if min(values.shape) < 2 or not values.min() < level <= values.max():
        return
    # First-order distance to the level set, in pixels; a plateau near the level is far from it by this measure.
    slope = np.hypot(*np.gradient(values))
    _stroke(canvas, np.abs(values - level) / np.maximum(slope, 1e-6), half_width=0.7 * _unit(canvas))


def draw_crosshair(canvas: np.ndarray, center: tuple[float, float], strength: float = 1.0) -> None:
    """Draw four ticks that point at a pixel and leave it and its surroundings free, in place.

    Args:
        canvas: (H, W, 3) float32 in [0, 255].
        center: x, y in pixels, pixel centres at whole numbers.
        strength: opacity in [0, 1].
    """
    unit = _unit(canvas)
    gap, length = 7 * unit, 13 * unit
    reach = int(gap + length + 4)
    left, top = max(0, int(center[0]) - reach), max(0, int(center[1]) - reach)
    patch = canvas[top : int(center[1]) + reach + 1, left : int(center[0]) + reach + 1]
    dy, dx = np.mgrid[top : top + patch.shape[0], left : left + patch.shape[1]].astype(np.float32)
    dx, dy = np.abs(dx - center[0]), np.abs(dy - center[1])
    along, off_axis = np.maximum(dx, dy), np.minimum(dx, dy)
    beyond_ends = np.maximum(0, np.abs(along - gap - length / 2) - length / 2)
    _stroke(patch, np.hypot(off_axis, beyond_ends), half_width=1.1 * unit, strength=strength)


def draw_box(canvas: np.ndarray, corners: tuple[float, float, float, float], color: Color = WHITE) -> None:
    """Draw the outline of a rectangle, in place.

    Args:
        canvas: (H, W, 3) float32 in [0, 255].
        corners: x0, y0, x1, y1 in pixels, pixel centres at whole numbers; what lies outside the canvas is left out.
        color: of the line.

    Example:
        >>> canvas = np.zeros((64, 64, 3), np.float32)
        >>> draw_box(canvas, (10, 20, 50, 40))
        >>> canvas[30, 10].tolist(), canvas[30, 30].tolist()
        ([255.0, 255.0, 255.0], [0.0, 0.0, 0.0])
    """
    half_width = max(1.0 * _unit(canvas), 0.8)
    reach = half_width + 2
    x0, y0, x1, y1 = corners
    # Only the four strips along the sides: a large box costs no more than its outline.
    sides = ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1))
    distance = np.full(canvas.shape[:2], np.inf, dtype=np.float32)
    for left, top, right, bottom in sides:
        rows = slice(max(0, int(top - reach)), max(0, int(bottom + reach) + 1))
        columns = slice(max(0, int(left - reach)), max(0, int(right + reach) + 1))
        strip = distance[rows, columns]
        dy, dx = np.mgrid[rows.start : rows.start + strip.shape[0], columns.start : columns.start + strip.shape[1]]
        away = np.hypot(dx - np.clip(dx, left, right), dy - np.clip(dy, top, bottom))
        np.minimum(strip, away, out=strip)
    rows = slice(max(0, int(y0 - reach)), max(0, int(y1 + reach) + 1))
    columns = slice(max(0, int(x0 - reach)), max(0, int(x1 + reach) + 1))
    _stroke(canvas[rows, columns], distance[rows, columns], half_width, color=color)


def _unit(canvas: np.ndarray) -> float:
    """Pixels that lines are measured in: the same look at every size of the picture."""
    height, width = canvas.shape[:2]
    return float(max(height, width)) / 512


def _stroke(
    canvas: np.ndarray, distance: np.ndarray, half_width: float, strength: float = 1.0, color: Color = WHITE
) -> None:
    """Paint a colour within `half_width` of the line and dark just around it, in place."""
    for paint, reach, opacity in ((DARK, half_width + 1.2, 0.7), (color, half_width, 1.0)):
        alpha = strength * opacity * np.clip(reach + 0.5 - distance, 0, 1)[..., None]
        canvas += alpha * (np.array(paint, dtype=np.float32) - canvas)
