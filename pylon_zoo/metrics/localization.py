"""The judges of heatmaps that an evaluation runs, by name: a metric is a line in `LOCALIZATION`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from torch import Tensor

from pylon_zoo.metrics.energy import EnergyPointingGame, RelevanceRank
from pylon_zoo.metrics.findings import Regions
from pylon_zoo.metrics.iou import HeatmapIou, PeakIou
from pylon_zoo.metrics.maxbox import MaxBoxAccuracy
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.overlap import OverlapAccuracy, RegionAccuracy
from pylon_zoo.metrics.point import HitRate, PointAccuracy, PointingGame
from pylon_zoo.metrics.pxap import PixelPrecision
from pylon_zoo.metrics.resampling import Statistic
from pylon_zoo.metrics.result import MetricResult


class Localizer(Protocol):
    """Heatmaps and boxes in, batch by batch; a value per class out. `PointAccuracy` is the example to copy."""

    by_masks: bool
    """Whether it is given masks, where a dataset has them; boxes alone without."""

    sums: dict[str, Tensor]
    """All it has counted: tensors that add up over parts of a dataset, exactly."""

    def add_sums(self, sums: Mapping[str, Tensor]) -> None:
        """Add the sums of another part."""

    def update(self, heatmaps: Tensor, regions: Regions) -> None:
        """Count one batch: heatmaps (N, K, h, w), N tensors (M, 5) of class, x0, y0, x1, y1, or those with masks."""

    def measure(self, heatmaps: Tensor, regions: Regions) -> Scored:
        """The same, and what was counted, for `statistic`; images are numbered by their place in the batch."""

    def statistic(self, name: str, scored: Scored, classes: int) -> Statistic:
        """How a figure of that name follows from the pairs of a draw, for intervals."""

    def compute(self) -> MetricResult:
        """The values so far."""


MakeLocalizer = Callable[..., Localizer]
"""Called with K, the size (H, W) that findings are on, what to do to the heatmaps first (`"sigmoid"`, `"softmax"` or
None), and `grid`, where their cells lie."""

LOCALIZATION: dict[str, MakeLocalizer] = {
    "point_accuracy": PointAccuracy,
    "hit_rate": HitRate,
    "pointing_game": PointingGame,
    "energy": EnergyPointingGame,
    "relevance_rank": RelevanceRank,
    "overlap_10": partial(OverlapAccuracy, threshold=0.1),
    "overlap_25": partial(OverlapAccuracy, threshold=0.25),
    "overlap_50": partial(OverlapAccuracy, threshold=0.5),
    "regions_iou_10": partial(RegionAccuracy, threshold=0.1, overlap="iou"),
    "regions_iobb_10": partial(RegionAccuracy, threshold=0.1, overlap="iobb"),
    "max_box": MaxBoxAccuracy,
    "pxap": PixelPrecision,
    "peak_iou": PeakIou,
    "iou": HeatmapIou,
}
"""Name → what makes the metric."""
