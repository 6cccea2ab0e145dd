"""The look of every figure: sizes, fonts, colours, lines. Nothing here or in what is drawn depends on the machine.

Matplotlib's own font is used, since it comes with Matplotlib and is therefore the same everywhere. Colours are those of
Okabe and Ito (2008), which colour-blind readers tell apart; lines differ in their dashes too, for who prints in grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXTRA = "plot"
WIDTHS = {"column": 3.5, "page": 7.16}
"""Name → inches, as of a journal in two columns (IEEE, Radiology, Medical Image Analysis within a tenth of an inch)."""
NARROWEST, WIDEST = 1.0, 20.0
POINTS = 72
"""In an inch."""
TEXT, SMALL, SMALLEST = 7.0, 6.0, 5.0
"""Points: of headings and labels, of what stands beside them, and what text may shrink to where room is short."""
INK, FAINT, FRAME, GRID = "#1a1a1a", "#6b6b6b", "#9a9a9a", "#d9d9d9"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1.2, 1, 1.2)), (0, (6, 2, 1, 1, 1, 2)))
BOX, RIM, PEAK = "#5adcff", "#101010", "#ffffff"
"""Of a true box, as in the reports; of the dark line around whatever lies on an image; of a peak."""
LOOK: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelpad": 2.0,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlepad": 3.0,
    "axes.titlesize": TEXT,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica", "sans-serif"],
    "font.size": TEXT,
    "grid.color": GRID,
    "grid.linewidth": 0.4,
    "legend.borderaxespad": 0.2,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "pylon-zoo",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": SMALL,
    "xtick.major.pad": 2.0,
    "xtick.major.size": 2.0,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": SMALL,
    "ytick.major.pad": 2.0,
    "ytick.major.size": 2.0,
    "ytick.major.width": 0.6,
}
"""Matplotlib's settings. Text stays text: in SVG as such (`none`), in PDF with its TrueType font (42)."""


@contextmanager
def look() -> Iterator[None]:
    """Draw and save with the settings of `LOOK`; afterwards Matplotlib's are what they were.

    Raises:
        MissingDependencyError: Matplotlib is not installed.
    """
    matplotlib = require("matplotlib", EXTRA)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's own matplotlibrc must not change the figure
        matplotlib.rcParams.update(LOOK)
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, its height rounded up to a whole point.

    Raises:
        ConfigError: the width is none that a page has.
        MissingDependencyError: Matplotlib is not installed.
    """
    figure = require("matplotlib.figure", EXTRA)
    made: Figure = figure.Figure(figsize=(checked_width(width), -(-round(height * POINTS, 6) // 1) / POINTS))
    return made


def checked_width(width: float) -> float:
    """The width itself.

    Raises:
        ConfigError: it is none that a page has.

    Example:
        >>> checked_width(3.5)
        3.5
    """
    if not NARROWEST <= width <= WIDEST:
        raise ConfigError(
            f"A figure cannot be {width:g} inches wide: give column ({WIDTHS['column']}), page ({WIDTHS['page']}), or "
            f"{NARROWEST:g} to {WIDEST:g}."
        )
    return width


def line_style(place: int) -> dict[str, Any]:
    """Colour and dashes of the line with a number, from 0.

    Example:
        >>> line_style(0)["color"], line_style(7) == line_style(0)
        ('#0072B2', False)
    """
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": DASHES[place % len(DASHES)]}
