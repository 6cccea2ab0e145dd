"""Which metrics judge beside AUROC and point accuracy, and from which probability on they call a class found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from pylon_zoo.explanation.thresholds import Thresholds
from pylon_zoo.metrics import HeatmapIou
from pylon_zoo.metrics.localization import MakeLocalizer
from pylon_zoo.models.heatmap_model import HeatmapModel

BY_THRESHOLD = ("iou", "masked_out_area")
"""Metrics that go by the thresholds from which on a class counts as found."""


def thresholds_of(
    model: HeatmapModel,
    class_map: Sequence[int | None],
    classes: Sequence[str],
    given: Mapping[str, float] | None,
) -> Thresholds:
    """The probabilities from which on the model's K classes count as found.

    Args:
        model: whose own they are where none is given.
        class_map: dataset class → model class or None.
        classes: of the dataset.
        given: class of the dataset → threshold; what is none in (0, 1), such as NaN, is left out.
    """
    limits = Thresholds.chosen(None, model.thresholds, range(model.num_classes))
    usable = {name: value for name, value in (given or {}).items() if 0 < value < 1}
    if not usable:
        return limits
    values = list(limits.values)
    for name, match in zip(classes, class_map, strict=True):
        if match is not None and name in usable:
            values[match] = usable[name]
    return Thresholds(tuple(values), "fitted")


def iou_at(thresholds: Sequence[float], heatmap_unit: str) -> MakeLocalizer:
    """`HeatmapIou` at the model's thresholds; maps of relevance are cut at half of their own range."""
    if heatmap_unit == "logit":
        return partial(HeatmapIou, thresholds=thresholds)
    return partial(HeatmapIou, normalise=True)
