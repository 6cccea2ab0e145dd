"""Small panels of one size beside and below each other, and the lines that are named below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pylon_zoo.figures.style import POINTS, SMALL, TEXT, blank, checked_width, line_style
from pylon_zoo.figures.text import width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROWEST = 1.55
"""Inches of a panel with its numbers."""
ASPECT = 0.92
TALLEST = 3.2
"""Inches of width, at most, that the height of a panel goes by: one panel on a page need not fill it."""
LEGEND_LINE, PAD = 0.125, 0.02
HANDLE = 0.45
"""Inches of a line in the legend with the gaps around it."""


def panels(
    count: int,
    width: float,
    names: Mapping[str, Any],
    *,
    title: str = "",
    narrowest: float = NARROWEST,
    aspect: float = ASPECT,
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, and a legend of lines in the place of a spare panel or below them.

    Args:
        count: panels.
        width: of the figure, inches.
        names: of the lines → how they look; `line_style` in their order.
        title: of the legend.
        narrowest: inches of a panel; as many stand in a row as that lets.
        aspect: height of a panel by its width.

    Returns:
        The figure and its axes, in reading order. It must be drawn within `look()`.
    """
    across = max(1, min(count, int(checked_width(width) / narrowest)))
    down = -(-count // across)
    side = (width / across, min(width / across, TALLEST) * aspect)
    columns, lines = _legend_shape(list(names), width) if names else (0, 0)
    aside = bool(names) and across * down > count and _fits(list(names), bool(title), side)
    if aside:
        columns, lines = 1, 0
    foot = (lines + bool(title and lines)) * LEGEND_LINE + (0.04 if lines else 0)
    figure = blank(width, down * side[1] + foot)
    figure.set_layout_engine("constrained", w_pad=PAD, h_pad=PAD, wspace=0.03, hspace=0.03)
    board: Any = figure
    strip: Any = figure
    if foot:
        parts: Any = figure.subfigures(2, 1, height_ratios=[down * side[1], foot])
        board, strip = parts
    grid = board.subplots(down, across, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    if names:
        from matplotlib.lines import Line2D

        place = axes[count] if aside else strip
        place.legend(
            [Line2D([], [], **style) for style in names.values()],
            list(names),
            title=title or None,
            title_fontsize=SMALL,
            loc="center",
            ncols=columns,
        )
    return figure, axes[:count]


def styled(names: list[str]) -> dict[str, Any]:
    """Names of lines → how they look, in their order.

    Example:
        >>> list(styled(["a", "b"])), styled(["a"])["a"]["linestyle"]
        (['a', 'b'], '-')
    """
    return {name: line_style(place) for place, name in enumerate(names)}


def outer(axes: Sequence[Axes], x_title: str, y_title: str) -> None:
    """Numbers at the outer panels alone, and one title for each direction; for panels with the same axes."""
    across = len({round(one.get_position().x0, 6) for one in axes})
    for place, one in enumerate(axes):
        one.tick_params(labelbottom=place + across >= len(axes), labelleft=place % across == 0)
    board = board_of(axes)
    board.supxlabel(x_title, size=TEXT)
    board.supylabel(y_title, size=TEXT)


def board_of(axes: Sequence[Axes]) -> Any:
    """The figure, or the part of it, that holds the panels and not the legend below them."""
    return axes[0].get_figure(root=False)


def note(axes: Axes, lines: list[tuple[str, str]], corner: str = "lower right") -> None:
    """Coloured lines of text in the corner of a panel, one per curve.

    Args:
        axes: the panel.
        lines: text and colour.
        corner: `"lower right"`, `"lower left"`, ….
    """
    up, across = corner.split()
    step = 1.2 * SMALL
    ordered = lines[::-1] if up == "lower" else lines
    for place, (text, color) in enumerate(ordered):
        away = 3 + place * step
        axes.annotate(
            text,
            (float(across == "right"), float(up == "upper")),
            xycoords="axes fraction",
            xytext=(-3 if across == "right" else 3, away if up == "lower" else -away),
            textcoords="offset points",
            ha=across,
            va="bottom" if up == "lower" else "top",
            size=SMALL,
            color=color,
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
        )


def _fits(names: list[str], titled: bool, room: tuple[float, float]) -> bool:
    """Whether a legend, name below name, has room in a panel's place."""
    widest = max(width_of(name, SMALL) for name in names) + HANDLE
    return widest < room[0] and (len(names) + titled) * LEGEND_LINE < room[1]


def _legend_shape(names: list[str], width: float) -> tuple[int, int]:
    """Columns and lines of a legend that a width has room for."""
    widest = max(width_of(name, SMALL) for name in names) + HANDLE
    columns = max(1, min(len(names), int((width - 4 / POINTS) / widest)))
    return columns, -(-len(names) // columns)
