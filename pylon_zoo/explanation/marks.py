"""Lines on a picture that stay visible on dark and bright: a white stroke with a dark rim, edges smooth."""

from __future__ import annotations

import numpy as np


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


def _unit(canvas: np.ndarray) -> float:
    """Pixels that lines are measured in: the same look at every size of the picture."""
    height, width = canvas.shape[:2]
    return float(max(height, width)) / 512


def _stroke(canvas: np.ndarray, distance: np.ndarray, half_width: float, strength: float = 1.0) -> None:
    """Paint white within `half_width` of the line and dark just around it, in place."""
    for color, reach, opacity in ((0.0, half_width + 1.2, 0.7), (255.0, half_width, 1.0)):
        alpha = strength * opacity * np.clip(reach + 0.5 - distance, 0, 1)[..., None]
        canvas += alpha * (color - canvas)
