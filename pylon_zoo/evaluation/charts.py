"""Charts as inline SVG: no library, no script, in light, dark and on paper; `pages/evaluation.css` colours them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

Row = tuple[str, float, float, float, str]
"""Name, value, low and high end, remark; a NaN is not drawn."""
LABELS, BARS, ROW = 150, 330, 26
STEADY = 5
"""Cases from which on a point is joined to its neighbours; the share of fewer is mostly luck."""


def bars(rows: Sequence[Row], low: float = 0.0, high: float = 1.0, marks: Sequence[float] = ()) -> str:
    """Horizontal bars with whiskers.

    Args:
        rows: one per bar.
        low: left end of the axis.
        high: right end.
        marks: per row a value to mark with a thin tick, such as a control's; none by default.

    Example:
        >>> bars([("Mass", 0.5, 0.4, 0.6, "")]).startswith("<svg")
        True
    """
    width, height = LABELS + BARS + 70, ROW * len(rows) + 24
    parts = []
    for tick in (low + (high - low) * step / 4 for step in range(5)):
        x = _x(tick, low, high)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 22}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 6}" text-anchor="middle">{tick:.3g}</text>')
    for place, (name, value, bottom, top, remark) in enumerate(rows):
        y = ROW * place + ROW / 2
        parts.append(f'<text x="{LABELS - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        if math.isnan(value):
            parts.append(f'<text class="tick" x="{LABELS + 6}" y="{y + 4}">no cases</text>')
            continue
        end = _x(value, low, high)
        title = f"{name}: {value:.3f}" + ("" if math.isnan(bottom) else f" ({bottom:.3f} to {top:.3f})")
        parts.append(f"<g><title>{escape(title + (', ' + remark if remark else ''))}</title>")
        parts.append(
            f'<rect class="bar" x="{LABELS}" y="{y - 7}" width="{max(1, end - LABELS):.1f}" height="14" rx="2"/>'
        )
        if not math.isnan(bottom):
            left, right = _x(bottom, low, high), _x(top, low, high)
            parts.append(
                f'<path class="whisker" d="M{left:.1f} {y - 4}v8M{left:.1f} {y}H{right:.1f}M{right:.1f} {y - 4}v8"/>'
            )
        if place < len(marks) and not math.isnan(marks[place]):
            x = _x(marks[place], low, high)
            parts.append(f'<line class="mark" x1="{x:.1f}" y1="{y - 10}" x2="{x:.1f}" y2="{y + 10}"/>')
        parts.append(f'<text class="value" x="{LABELS + BARS + 14}" y="{y + 4}">{value:.3f}</text></g>')
    return svg(width, height, parts)


def curve(points: Sequence[tuple[float, float, int]], x_title: str, y_title: str) -> str:
    """Points in the unit square, the steady ones joined, their size by their number of cases, beside the diagonal.

    Args:
        points: x, y, cases; in order.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
    """
    side, left, top = 300, 56, 12
    parts = []
    for step in range(5):
        value, at = step / 4, side * step / 4
        parts.append(f'<line class="grid" x1="{left}" y1="{top + at}" x2="{left + side}" y2="{top + at}"/>')
        parts.append(f'<line class="grid" x1="{left + at}" y1="{top}" x2="{left + at}" y2="{top + side}"/>')
        parts.append(f'<text class="tick" x="{left + at}" y="{top + side + 16}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<text class="tick" x="{left - 8}" y="{top + side - at + 4}" text-anchor="end">{value:g}</text>')
    parts.append(f'<line class="ideal" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}"/>')
    places = [(left + side * x, top + side * (1 - y)) for x, y, _ in points]
    steady = [place for place, (*_, cases) in zip(places, points, strict=True) if cases >= STEADY]
    if steady:
        parts.append(f'<path class="curve" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in steady)}"/>')
    most = max((cases for *_, cases in points), default=1)
    for (x, y), (told, seen, cases) in zip(places, points, strict=True):
        title = f"predicted {told:.2f}, observed {seen:.2f}, {cases} predictions"
        radius = 3 + 6 * math.sqrt(cases / most)
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{title}</title></circle>')
    middle = left + side / 2
    parts.append(f'<text class="tick" x="{middle}" y="{top + side + 34}" text-anchor="middle">{escape(x_title)}</text>')
    place = f'x="14" y="{top + side / 2}" transform="rotate(-90 14 {top + side / 2})"'
    parts.append(f'<text class="tick" {place} text-anchor="middle">{escape(y_title)}</text>')
    return svg(left + side + 14, top + side + 44, parts)


def _x(value: float, low: float, high: float) -> float:
    return LABELS + BARS * min(1.0, max(0.0, (value - low) / (high - low)))


def svg(width: float, height: float, parts: Sequence[str]) -> str:
    """Parts as one picture that takes the width there is, and not much more than its own."""
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.15:g}px"'
    return f'<svg {size} role="img">{"".join(parts)}</svg>'
