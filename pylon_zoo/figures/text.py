"""Text that fits where it stands: broken in two where it is too wide, then smaller, then cut."""

from __future__ import annotations

import re
import warnings

from pylon_zoo.figures.style import EXTRA, POINTS, SMALLEST, TEXT
from pylon_zoo.optional import require

STEP = 0.5
"""Points that text shrinks by at a time."""


def width_of(text: str, size: float) -> float:
    """Inches that one line of text takes at a size in points."""
    if not text.strip():
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks; saving says so
        path = require("matplotlib.textpath", EXTRA).TextPath((0, 0), text, size=size)
    return float(path.get_extents().width) / POINTS


def fitted(text: str, room: float, *, lines: int = 2, size: float = TEXT) -> tuple[str, float]:
    """Text as it fits into a width.

    Args:
        text: one line.
        room: inches.
        lines: it may be broken into.
        size: in points to begin with.

    Returns:
        The text, perhaps with a line break or cut with an ellipsis, and its size in points.
    """
    choices = [text, *(_halves(text) if lines > 1 else ())]
    best = min(choices, key=lambda choice: _widest(choice, size)) if _widest(text, size) > room else text
    while size > SMALLEST and _widest(best, size) > room:
        size -= STEP
    if _widest(best, size) > room:
        best = "\n".join(_cut(line, room, size) for line in best.split("\n"))
    return best, size


def _halves(text: str) -> list[str]:
    """Every way to break text at a blank, or behind a character that joins words."""
    ends = [match.end() for match in re.finditer(r"[\s_.,/-]+", text)]
    return [f"{text[:end].rstrip()}\n{text[end:]}" for end in ends if 0 < end < len(text)]


def _widest(text: str, size: float) -> float:
    return max(width_of(line, size) for line in text.split("\n"))


def _cut(line: str, room: float, size: float) -> str:
    if width_of(line, size) <= room:
        return line
    while line and width_of(f"{line}…", size) > room:
        line = line[:-1]
    return f"{line.rstrip()}…"
