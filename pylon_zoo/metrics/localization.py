"""The judges of heatmaps that an evaluation runs, by name: a metric is a line in `LOCALIZATION`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from pylon_zoo.lazy import LateTable, late

if TYPE_CHECKING:
    from torch import Tensor

    from pylon_zoo.metrics.findings import Regions
    from pylon_zoo.metrics.outcomes import Scored
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

LOCALIZATION: LateTable[MakeLocalizer] = LateTable(
    {
        "point_accuracy": late("pylon_zoo.metrics.point:PointAccuracy"),
        "hit_rate": late("pylon_zoo.metrics.point:HitRate"),
        "pointing_game": late("pylon_zoo.metrics.point:PointingGame"),
        "energy": late("pylon_zoo.metrics.energy:EnergyPointingGame"),
        "relevance_rank": late("pylon_zoo.metrics.energy:RelevanceRank"),
        "overlap_10": late("pylon_zoo.metrics.overlap:OverlapAccuracy", threshold=0.1),
        "overlap_25": late("pylon_zoo.metrics.overlap:OverlapAccuracy", threshold=0.25),
        "overlap_50": late("pylon_zoo.metrics.overlap:OverlapAccuracy", threshold=0.5),
        "regions_iou_10": late("pylon_zoo.metrics.overlap:RegionAccuracy", threshold=0.1, overlap="iou"),
        "regions_iobb_10": late("pylon_zoo.metrics.overlap:RegionAccuracy", threshold=0.1, overlap="iobb"),
        "max_box": late("pylon_zoo.metrics.maxbox:MaxBoxAccuracy"),
        "pxap": late("pylon_zoo.metrics.pxap:PixelPrecision"),
        "peak_iou": late("pylon_zoo.metrics.iou:PeakIou"),
        "iou": late("pylon_zoo.metrics.iou:HeatmapIou"),
    }
)
"""Name → what makes the metric."""
