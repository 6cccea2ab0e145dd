"""Where peaks lie around the centres of their findings: a target for each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import DataError
from pylon_zoo.evaluation.tables import offset_in_words
from pylon_zoo.evaluation.targets import DOTS, on_target, reach_of
from pylon_zoo.figures.panels import board_of, panels
from pylon_zoo.figures.recipe import CurvesRecipe
from pylon_zoo.figures.sources import one_evaluation, shown_classes
from pylon_zoo.figures.style import FAINT, GRID, INK, PALETTE, SMALL, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROWEST, ASPECT = 1.1, 1.36
ROOM = 1.12
"""Half the width of a panel, in radii of its outer ring."""
INSIDE: dict[str, Any] = {"marker": "o", "color": PALETTE[0], "markersize": 2.2, "alpha": 0.55, "markeredgewidth": 0}
BESIDE: dict[str, Any] = {"marker": "x", "color": PALETTE[1], "markersize": 2.8, "alpha": 0.9, "markeredgewidth": 0.7}
MEAN: dict[str, Any] = {"marker": "+", "color": INK, "markersize": 6.0, "markeredgewidth": 1.1}
"""A peak in a true box, one beside it, and the mean of all."""


def draw_offsets(recipe: CurvesRecipe) -> Figure:
    """For each class a target: the middle is the centre of the true box, a mark the peak of an image's map.

    Rings are in pixels of the model's input, the same for all classes; peaks beyond the outer ring lie on it.

    Args:
        recipe: of kind `"offsets"`, with one source.

    Returns:
        The figure.

    Raises:
        DataError: the folder cannot be read, or none of its images has a box of the classes.
        ConfigError, UnknownNameError: several sources, or a class that is not there.
        MissingDependencyError: Matplotlib is not installed.
    """
    one = one_evaluation(recipe)
    found = one.predictions
    aims = {}
    for name in shown_classes(recipe, [one]):
        mine = (found.boxed[:, 1] == found.classes.index(name)) & ~found.offsets.isnan().any(dim=1)
        if bool(mine.any()):
            aims[name] = list(zip(found.offsets[mine].tolist(), (found.hits[mine] > 0).tolist(), strict=True))
    if not aims:
        raise DataError(
            f"The evaluation {one.name!r} has no peaks beside boxes: its images have no boxes of these classes, or its "
            "model no heatmaps."
        )
    reach = reach_of([offset for points in aims.values() for offset, _ in points])
    height, width = found.size.tolist()
    lines = {
        "peak in a true box": {**INSIDE, "linestyle": ""},
        "peak beside it": {**BESIDE, "linestyle": ""},
        "mean": {**MEAN, "linestyle": ""},
    }
    with look():
        figure, every = panels(len(aims), recipe.width, lines, narrowest=NARROWEST, aspect=ASPECT)
        for axes, (name, points) in zip(every, aims.items(), strict=True):
            _draw_target(axes, name, points, reach)
        board_of(every).supxlabel(
            f"Rings: {reach / 2:g} and {reach:g} px from the true box’s centre, of {width} × {height}; means in px",
            size=SMALL,
            color=FAINT,
        )
    return figure


def _draw_target(axes: Axes, name: str, points: list[tuple[list[float], bool]], reach: float) -> None:
    from matplotlib.patches import Circle

    for share in (0.5, 1.0):
        axes.add_patch(Circle((0, 0), share, fill=False, edgecolor=FAINT, linewidth=0.5, clip_on=False))
    for line in (axes.axhline, axes.axvline):
        line(0, color=GRID, linewidth=0.5, zorder=0)
    shown = points[:: math.ceil(len(points) / DOTS)]
    for kind, hit, style in (("in", True, INSIDE), ("beside", False, BESIDE)):
        places = [on_target(down, right, reach) for (down, right), one in shown if one is hit]
        axes.plot([x for x, _ in places], [y for _, y in places], linestyle="", gid=f"{name}: {kind}", **style)
    down, right = (sum(offset[axis] for offset, _ in points) / len(points) for axis in (0, 1))
    x, y = on_target(down, right, reach)
    axes.plot([x], [y], linestyle="", gid=f"{name}: mean", **MEAN)
    axes.set(xlim=(-ROOM, ROOM), ylim=(ROOM, -ROOM), aspect="equal", anchor="N", xticks=(), yticks=())
    axes.spines[:].set_visible(False)
    axes.set_title(name, pad=3 + 1.3 * SMALL)
    said: dict[str, Any] = {
        "xycoords": "axes fraction",
        "xytext": (0, 3),
        "textcoords": "offset points",
        "ha": "center",
    }
    axes.annotate(offset_in_words(down, right), (0.5, 1), size=SMALL, color=FAINT, va="baseline", **said)
