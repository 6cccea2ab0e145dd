"""Learning curves: how runs went, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pylon_zoo.figures.panels import panels
from pylon_zoo.figures.recipe import CurvesRecipe
from pylon_zoo.figures.sources import Trained, runs
from pylon_zoo.figures.style import INK, PALETTE, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS: dict[str, dict[str, dict[str, Any]]] = {
    "Loss": {"train_loss": {"linestyle": (0, (3, 1.2))}, "val_loss": {"linestyle": "-"}},
    "AUROC": {"val_auroc": {"linestyle": "-"}},
    "Point accuracy": {"val_point_accuracy": {"linestyle": "-"}},
}
"""Title of a panel → columns of `metrics.csv`, and how they look. A panel without a value in any run is left out."""
PHASES = {"training": "train_loss", "validation": "val_loss"}
NARROWEST = 1.7
EDGE = 0.04
"""Before the first and behind the last epoch, as a share of all."""
RING: dict[str, Any] = {"marker": "o", "markersize": 5.0, "markerfacecolor": "none", "linestyle": ""}
FEW = 12
"""Epochs up to which each is marked with a dot."""


def draw_learning(recipe: CurvesRecipe) -> Figure:
    """Loss, AUROC and point accuracy over the epochs of runs; a ring marks each run's best epoch.

    Args:
        recipe: of kind `"learning"`.

    Returns:
        The figure.

    Raises:
        ConfigError, DataError: folders that cannot be drawn.
        MissingDependencyError: Matplotlib is not installed.
    """
    found = runs(recipe)
    shown = {
        title: columns
        for title, columns in PANELS.items()
        if any(math.isfinite(value) for run in found for column in columns for value in run.history[column])
    }
    several = len(found) > 1
    lines = {name: {"color": INK, **PANELS["Loss"][column]} for name, column in PHASES.items()}
    if several:
        lines |= {run.name: {"color": PALETTE[place % len(PALETTE)]} for place, run in enumerate(found)}
    lines["best epoch"] = {"color": INK, **RING}
    last = max(run.history["epoch"][-1] for run in found)
    with look():
        figure, every = panels(len(shown), recipe.width, lines, narrowest=NARROWEST)
        for axes, (title, columns) in zip(every, shown.items(), strict=True):
            for place, run in enumerate(found):
                for column, style in columns.items():
                    color = PALETTE[place % len(PALETTE)] if several else INK
                    _draw_run(axes, run, column, {"color": color, **style})
            axes.set_title(title)
            axes.set_xlabel("Epoch")
            axes.set_xlim(1 - EDGE * last, last + EDGE * last)
            axes.locator_params(axis="x", integer=True)
    return figure


def _draw_run(axes: Axes, run: Trained, column: str, style: dict[str, Any]) -> None:
    """One curve; epochs without a value are left out and their neighbours joined."""
    epochs, values, best = (run.history[name] for name in ("epoch", column, "best"))
    points = [(epoch, value, flag) for epoch, value, flag in zip(epochs, values, best, strict=True) if value == value]
    if not points:
        return
    dots: dict[str, Any] = {"marker": "o", "markersize": 2.0} if len(points) <= FEW else {}
    axes.plot(*_columns(points), gid=f"{run.name}: {column}", **style, **dots)
    chosen = [point for point in points if point[2]][-1:]
    if column.startswith("val") and chosen:
        axes.plot(*_columns(chosen), gid=f"{run.name}: best epoch, {column}", color=style["color"], **RING)


def _columns(points: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, *_ in points], [y for _, y, _ in points]
