"""Kinds of figures by name. A new kind is a line here: its names come without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pylon_zoo.lazy import LateTable, late

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pylon_zoo.figures.recipe import CurvesRecipe

MAPS = "maps"
SUMMARIES = {
    MAPS: "rows of images, columns of models or attribution methods",
    "learning": "loss, AUROC and point accuracy over the epochs of runs",
    "roc": "ROC curves of evaluations, class by class",
    "precision-recall": "precision over recall of evaluations, class by class",
    "thresholds": "sensitivity, specificity and precision of an evaluation at every threshold",
    "offsets": "where the peaks of an evaluation's maps lie around the true boxes' centres",
}
"""Kind → what it shows."""
DRAWERS: LateTable[Callable[[CurvesRecipe], Figure]] = LateTable(
    {
        "learning": late("pylon_zoo.figures.learning:draw_learning"),
        "roc": late("pylon_zoo.figures.curves:draw_curves"),
        "precision-recall": late("pylon_zoo.figures.curves:draw_curves"),
        "thresholds": late("pylon_zoo.figures.curves:draw_thresholds"),
        "offsets": late("pylon_zoo.figures.offsets:draw_offsets"),
    }
)
"""Kind, but for maps, whose images and models are gathered first → what draws it."""
