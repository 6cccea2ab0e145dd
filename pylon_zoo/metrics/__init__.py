"""Judges of predictions and heatmaps. They know no model: tensors in, a `MetricResult` out."""

from pylon_zoo.metrics.classification import auroc
from pylon_zoo.metrics.controls import centre_heatmaps, oracle_heatmaps, random_heatmaps
from pylon_zoo.metrics.deletion import Deletion, Insertion
from pylon_zoo.metrics.energy import EnergyPointingGame, RelevanceRank
from pylon_zoo.metrics.iou import HeatmapIou
from pylon_zoo.metrics.masked_out import MaskedOutArea, MaskedOutResult
from pylon_zoo.metrics.maxbox import MaxBoxAccuracy
from pylon_zoo.metrics.overlap import OverlapAccuracy, RegionAccuracy
from pylon_zoo.metrics.point import PointAccuracy, PointingGame
from pylon_zoo.metrics.pxap import PixelPrecision
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.metrics.scores import ScoreKeeper, Scores

__all__ = [
    "Deletion",
    "EnergyPointingGame",
    "HeatmapIou",
    "Insertion",
    "MaskedOutArea",
    "MaskedOutResult",
    "MaxBoxAccuracy",
    "MetricResult",
    "OverlapAccuracy",
    "PixelPrecision",
    "PointAccuracy",
    "PointingGame",
    "RegionAccuracy",
    "RelevanceRank",
    "ScoreKeeper",
    "Scores",
    "auroc",
    "centre_heatmaps",
    "oracle_heatmaps",
    "random_heatmaps",
]
