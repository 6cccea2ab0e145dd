"""Curves over the epochs of a run as inline SVG, in the style of `pylon_zoo.evaluation.charts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from pylon_zoo.evaluation.charts import svg

LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 48, 14, 360, 190, 128, 40
SERIES = ("curve", "curve second")
"""Classes of the style sheet, curve by curve."""
TICKS = (1, 2, 2.5, 5, 10)
"""Steps of an axis, times a power of ten."""


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    best: int | None = None,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """One curve per series over epochs 1, 2, …; the last value of each stands at its end.

    Args:
        series: name → values, one per epoch; a NaN is left out, and its neighbours are joined.
        best: the epoch to mark, counted from 1.
        low: lower end of the axis; None goes by the values.
        high: upper end, likewise.

    Example:
        >>> curves({"training": [0.7, 0.5], "validation": [0.6, math.nan]}, best=1).startswith("<svg")
        True
    """
    epochs = max(map(len, series.values()), default=0)
    seen = [value for values in series.values() for value in values if math.isfinite(value)]
    ticks = ticks_between(
        min(seen, default=0.0) if low is None else low, max(seen, default=1.0) if high is None else high
    )
    low, high = ticks[0], ticks[-1]

    def place(epoch: int, value: float) -> tuple[float, float]:
        across = LEFT + WIDTH * (0.5 if epochs == 1 else (epoch - 1) / (epochs - 1))
        return across, TOP + HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    parts = []
    for tick in ticks:
        _, y = place(1, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    for epoch in sorted({round(1 + (epochs - 1) * share / 4) for share in range(5)}) if epochs else ():
        x, _ = place(epoch, low)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{epoch}</text>')
    middle = LEFT + WIDTH / 2
    parts.append(f'<text class="tick" x="{middle}" y="{TOP + HEIGHT + 34}" text-anchor="middle">epoch</text>')
    if best is not None:
        x, _ = place(best, low)
        parts.append(
            f'<line class="mark" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}"><title>best epoch, {best}'
            "</title></line>"
        )
    ends: list[float] = []
    for (name, values), style in zip(series.items(), SERIES * len(series), strict=False):
        points = [(epoch, value) for epoch, value in enumerate(values, 1) if math.isfinite(value)]
        if not points:
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<path class="{style}" d="M{path}"/>')
        for epoch, value in points:
            x, y = place(epoch, value)
            title = f"{escape(name)}, epoch {epoch}: {value:.4g}"
            parts.append(
                f'<circle class="{style.replace("curve", "dot")}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{title}'
                "</title></circle>"
            )
        x, y = place(*points[-1])
        while any(
            abs(y - other) < 13 for other in ends
        ):  # labels of curves that end together stand one below the other
            y += 13
        ends.append(y)
        parts.append(
            f'<text x="{x + 9:.1f}" y="{y + 4:.1f}"><tspan class="value">{points[-1][1]:.3g}</tspan> '
            f'<tspan class="tick">{escape(name)}</tspan></text>'
        )
    return svg(LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, parts)


def ticks_between(low: float, high: float, about: int = 4) -> list[float]:
    """Round values from at or below `low` to at or above `high`.

    Example:
        >>> ticks_between(0.13, 0.66)
        [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    span = max(high - low, 1e-9 + abs(high) * 1e-3)
    power = 10 ** math.floor(math.log10(span / about))
    step = next(one * power for one in TICKS if one * power >= span / about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]
