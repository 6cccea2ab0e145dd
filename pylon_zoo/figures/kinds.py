"""Kinds of figures by name, without anything that draws them: a parser knows them at once."""

from __future__ import annotations

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
