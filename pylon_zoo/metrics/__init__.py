"""Judges of predictions and heatmaps. They know no model: tensors in, a `MetricResult` out."""

from pylon_zoo.metrics.classification import auroc
from pylon_zoo.metrics.point import PointAccuracy
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.metrics.scores import ScoreKeeper, Scores

__all__ = ["MetricResult", "PointAccuracy", "ScoreKeeper", "Scores", "auroc"]
