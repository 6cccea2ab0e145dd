"""Judges of predictions and heatmaps. They know no model: tensors in, a `MetricResult` out."""

from pylon_zoo.metrics.classification import auroc
from pylon_zoo.metrics.controls import centre_heatmaps, oracle_heatmaps, random_heatmaps
from pylon_zoo.metrics.energy import EnergyPointingGame, RelevanceRank
from pylon_zoo.metrics.point import PointAccuracy, PointingGame
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.metrics.scores import ScoreKeeper, Scores

__all__ = [
    "EnergyPointingGame",
    "MetricResult",
    "PointAccuracy",
    "PointingGame",
    "RelevanceRank",
    "ScoreKeeper",
    "Scores",
    "auroc",
    "centre_heatmaps",
    "oracle_heatmaps",
    "random_heatmaps",
]
