"""Judges of predictions and heatmaps. They know no model: tensors in, a `MetricResult` out."""

from pylon_zoo.metrics.bootstrap import Bootstrap, Interval
from pylon_zoo.metrics.calibration import Reliability
from pylon_zoo.metrics.classification import auroc, average_precision
from pylon_zoo.metrics.doubt import student_t_interval, wilson_interval
from pylon_zoo.metrics.localization import LOCALIZATION
from pylon_zoo.metrics.operating import GeometricMeanThresholds, OperatingPoint, sensitivity_specificity
from pylon_zoo.metrics.outcomes import Outcomes, Strata
from pylon_zoo.metrics.point import PointAccuracy
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.metrics.scaling import Scaling, platt_scaling, temperature_scaling
from pylon_zoo.metrics.scores import ScoreKeeper, Scores

__all__ = [
    "LOCALIZATION",
    "Bootstrap",
    "GeometricMeanThresholds",
    "Interval",
    "MetricResult",
    "OperatingPoint",
    "Outcomes",
    "PointAccuracy",
    "Reliability",
    "Scaling",
    "ScoreKeeper",
    "Scores",
    "Strata",
    "auroc",
    "average_precision",
    "platt_scaling",
    "sensitivity_specificity",
    "student_t_interval",
    "temperature_scaling",
    "wilson_interval",
]
