"""Boxes, outlines and peaks on a picture: lines with a dark rim, seen on dark and on bright.

Coordinates are those of `pylon_zoo.data.boxes`: an image W wide spans 0 to W, and pixel x is centred on x + 0.5. Every
mark has a name in the file (`id` in SVG), so that whoever edits the figure finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from pylon_zoo.explanation.peaks import Point
from pylon_zoo.figures.style import BOX, PEAK, RIM, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LINE, RIMMED = 0.8, 1.7
"""Points: a mark's line, and that with its rim."""
CROSS, FREE = 7.5, 0.42
"""Points from end to end of a peak's cross-hair, and the share of it that is left free: a map may be one cell."""


def _rim() -> list[Any]:
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=RIMMED, foreground=RIM), Normal()]


def add_box(axes: Axes, box: Sequence[float], name: str) -> None:
    """A rectangle x0, y0, x1, y1."""
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = box
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": BOX,
        "linewidth": LINE,
        "path_effects": _rim(),
        "joinstyle": "miter",
    }
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, gid=name, **style))


def add_mask(axes: Axes, mask: Tensor, name: str) -> None:
    """The outline of a mask (H, W)."""
    height, width = mask.shape
    if not bool(mask.any()):
        return
    # A border of nothing closes outlines at the image's edges.
    padded = np.pad(mask.numpy().astype(np.float32), 1)
    across, down = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
    lines = axes.contour(across, down, padded, levels=[0.5], colors=[BOX], linewidths=LINE)
    lines.set_path_effects(_rim())
    lines.set_gid(name)


def add_peak(axes: Axes, peak: Point, name: str) -> None:
    """A cross-hair around the middle of a pixel."""
    axes.plot([peak.x + 0.5], [peak.y + 0.5], gid=name, clip_on=False, **_cross())


def legend_of(figure: Figure, names: Sequence[str], corner: tuple[float, float]) -> None:
    """What the marks mean, below one another, from a corner in inches from the upper left."""
    across, down = figure.get_size_inches()
    figure.legend(
        [HANDLES[name]() for name in names],
        names,
        loc="upper left",
        bbox_to_anchor=(corner[0] / across, 1 - corner[1] / down),
        borderpad=0,
        borderaxespad=0,
        fontsize=SMALL,
        handlelength=1.4,
        handletextpad=0.5,
        labelspacing=0.3,
    )


def _cross() -> dict[str, Any]:
    from matplotlib.path import Path

    ticks = [((FREE * x, FREE * y), (x, y)) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return {
        "marker": Path([end for tick in ticks for end in tick], [Path.MOVETO, Path.LINETO] * len(ticks)),
        "markersize": CROSS,
        "markeredgewidth": LINE,
        "color": PEAK,
        "linestyle": "",
        "path_effects": _rim(),
    }


def _line(**options: Any) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], **options)


HANDLES: dict[str, Callable[[], Line2D]] = {
    "true box": lambda: _line(
        marker="s", markersize=5, markerfacecolor="none", markeredgecolor=BOX, linestyle="", path_effects=_rim()
    ),
    "true outline": lambda: _line(color=BOX, linewidth=LINE, path_effects=_rim()),
    "peak of the map": lambda: _line(**_cross()),
    "probability of the class": lambda: _line(
        marker=[(-2, -1), (2, -1), (2, 1), (-2, 1)], markersize=7, markeredgewidth=0, color="black", alpha=0.6, lw=0
    ),
}
"""Name of a mark → how it looks in the legend."""
