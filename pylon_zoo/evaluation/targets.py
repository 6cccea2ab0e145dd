"""Where the peaks of a class lie around the centres of its findings: a small target for each class, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from pylon_zoo.evaluation.charts import svg
from pylon_zoo.evaluation.tables import offset_in_words

COLUMNS, SIDE, GAP, HEAD, DOT = 4, 128, 16, 34, 2.2
DOTS = 300
"""Drawn per class at most, evenly spaced among the images, so that a browser can still open the page."""
WITHIN = 0.9
"""Share of the dots of all classes that the targets are wide enough for; those farther away lie on the rim."""

Offset = Sequence[float]
"""Pixels down and right."""


def targets(aims: Sequence[tuple[str, Sequence[Offset]]]) -> str:
    """A target for each class: rings around the centre, a dot for each offset, an arrow to their mean.

    Args:
        aims: names of classes and their offsets, at least one each.

    Example:
        >>> targets([("Mass", [(-4.0, 1.0), (2.0, 0.5)])]).count('class="aim"')
        2
    """
    reach = reach_of([offset for _, offsets in aims for offset in offsets])
    rows = math.ceil(len(aims) / COLUMNS)
    columns = min(COLUMNS, len(aims))
    parts = []
    for place, (name, offsets) in enumerate(aims):
        left, top = place % COLUMNS * (SIDE + GAP), place // COLUMNS * (SIDE + HEAD + GAP)
        parts += _target(name, offsets, reach, left + SIDE / 2, top + HEAD + SIDE / 2)
    foot = rows * (SIDE + HEAD + GAP) + 8
    parts.append(f'<text class="tick" x="0" y="{foot}">rings: {reach / 2:g} and {reach:g} px</text>')
    return svg(columns * (SIDE + GAP) - GAP, foot + 6, parts)


def reach_of(offsets: Sequence[Offset]) -> float:
    """Pixels from a target's centre to its outer ring: a round number."""
    distances = sorted(math.hypot(*offset) for offset in offsets)
    wanted = max(distances[math.ceil(WITHIN * len(distances)) - 1], 1.0)
    unit = 10.0 ** math.floor(math.log10(wanted))
    return next(unit * step for step in (1, 2, 4, 6, 10) if unit * step >= wanted)


def _target(name: str, offsets: Sequence[Offset], reach: float, x: float, y: float) -> list[str]:
    """The parts of one target with its centre at (x, y)."""
    radius = SIDE / 2 - DOT  # a dot on the rim is whole
    mean_down, mean_right = (sum(axis) / len(offsets) for axis in zip(*offsets, strict=True))
    mean = offset_in_words(mean_down, mean_right)
    title = f"{name}: mean offset {mean} px, {len(offsets)} images"
    parts = [
        f"<g><title>{escape(title)}</title>",
        f'<text x="{x:g}" y="{y - radius - 20:g}" text-anchor="middle">{escape(name)}</text>',
        f'<text class="tick" x="{x:g}" y="{y - radius - 6:g}" text-anchor="middle">{mean}</text>',
        *(f'<circle class="ring" cx="{x:g}" cy="{y:g}" r="{radius * share:g}"/>' for share in (0.5, 1)),
    ]
    for down, right in offsets[:: math.ceil(len(offsets) / DOTS)]:
        across, below = on_target(down, right, reach)
        parts.append(f'<circle class="aim" cx="{x + radius * across:.1f}" cy="{y + radius * below:.1f}" r="{DOT:g}"/>')
    across, below = (radius * share for share in on_target(mean_down, mean_right, reach))
    parts.append(f'<path class="whisker" d="M{x - 5:g} {y:g}h10M{x:g} {y - 5:g}v10"/>')
    if math.hypot(across, below) >= 8:  # a shorter one would hide what it points at
        turned = math.degrees(math.atan2(below, across))
        parts.append(f'<path class="arrow" d="M{x:g} {y:g}l{across:.1f} {below:.1f}"/>')
        tip = f"translate({x + across:.1f} {y + below:.1f}) rotate({turned:.1f})"
        parts.append(f'<path class="arrow" transform="{tip}" d="M-5 -3.5L0 0L-5 3.5"/>')
    return [*parts, "</g>"]


def on_target(down: float, right: float, reach: float) -> tuple[float, float]:
    """Across and down as shares of the outer ring's radius, onto the ring from beyond it."""
    shrunk = max(math.hypot(down, right) / reach, 1.0) * reach
    return right / shrunk, down / shrunk
