"""Judges of predictions and heatmaps. They know no model: tensors in, a `MetricResult` out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.metrics.bearing import POINTING, pointing
    from pylon_zoo.metrics.bootstrap import Bootstrap, Interval
    from pylon_zoo.metrics.calibration import Reliability
    from pylon_zoo.metrics.classification import auroc, average_precision
    from pylon_zoo.metrics.controls import centre_heatmaps, oracle_heatmaps, random_heatmaps
    from pylon_zoo.metrics.deletion import Deletion, Insertion
    from pylon_zoo.metrics.doubt import student_t_interval, wilson_interval
    from pylon_zoo.metrics.energy import EnergyPointingGame, RelevanceRank
    from pylon_zoo.metrics.faithfulness import FAITHFULNESS
    from pylon_zoo.metrics.iou import HeatmapIou, PeakIou
    from pylon_zoo.metrics.localization import LOCALIZATION
    from pylon_zoo.metrics.masked_out import MaskedOutArea, MaskedOutResult
    from pylon_zoo.metrics.maxbox import MaxBoxAccuracy
    from pylon_zoo.metrics.operating import GeometricMeanThresholds, OperatingPoint, sensitivity_specificity
    from pylon_zoo.metrics.outcomes import Outcomes, Scored, Strata
    from pylon_zoo.metrics.overlap import OverlapAccuracy, RegionAccuracy
    from pylon_zoo.metrics.point import HitRate, PointAccuracy, PointingGame
    from pylon_zoo.metrics.pxap import PixelPrecision
    from pylon_zoo.metrics.result import MetricResult
    from pylon_zoo.metrics.scaling import Scaling, platt_scaling, temperature_scaling
    from pylon_zoo.metrics.scores import ScoreKeeper, Scores
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "bearing": ["POINTING", "pointing"],
            "bootstrap": ["Bootstrap", "Interval"],
            "calibration": ["Reliability"],
            "classification": ["auroc", "average_precision"],
            "controls": ["centre_heatmaps", "oracle_heatmaps", "random_heatmaps"],
            "deletion": ["Deletion", "Insertion"],
            "doubt": ["student_t_interval", "wilson_interval"],
            "energy": ["EnergyPointingGame", "RelevanceRank"],
            "faithfulness": ["FAITHFULNESS"],
            "iou": ["HeatmapIou", "PeakIou"],
            "localization": ["LOCALIZATION"],
            "masked_out": ["MaskedOutArea", "MaskedOutResult"],
            "maxbox": ["MaxBoxAccuracy"],
            "operating": ["GeometricMeanThresholds", "OperatingPoint", "sensitivity_specificity"],
            "outcomes": ["Outcomes", "Scored", "Strata"],
            "overlap": ["OverlapAccuracy", "RegionAccuracy"],
            "point": ["HitRate", "PointAccuracy", "PointingGame"],
            "pxap": ["PixelPrecision"],
            "result": ["MetricResult"],
            "scaling": ["Scaling", "platt_scaling", "temperature_scaling"],
            "scores": ["ScoreKeeper", "Scores"],
        },
    )

__all__ = [
    "FAITHFULNESS",
    "LOCALIZATION",
    "POINTING",
    "Bootstrap",
    "Deletion",
    "EnergyPointingGame",
    "GeometricMeanThresholds",
    "HeatmapIou",
    "HitRate",
    "Insertion",
    "Interval",
    "MaskedOutArea",
    "MaskedOutResult",
    "MaxBoxAccuracy",
    "MetricResult",
    "OperatingPoint",
    "Outcomes",
    "OverlapAccuracy",
    "PeakIou",
    "PixelPrecision",
    "PointAccuracy",
    "PointingGame",
    "RegionAccuracy",
    "RelevanceRank",
    "Reliability",
    "Scaling",
    "ScoreKeeper",
    "Scored",
    "Scores",
    "Strata",
    "auroc",
    "average_precision",
    "centre_heatmaps",
    "oracle_heatmaps",
    "platt_scaling",
    "pointing",
    "random_heatmaps",
    "sensitivity_specificity",
    "student_t_interval",
    "temperature_scaling",
    "wilson_interval",
]
