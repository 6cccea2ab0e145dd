"""The judges of heatmaps that an evaluation runs, by name: a metric is a line in `LOCALIZATION`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.lazy import LateTable, late

if TYPE_CHECKING:
    from torch import Tensor

    from pylon_zoo.metrics.findings import Regions
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

    def compute(self) -> MetricResult:
        """The values so far."""


LOCALIZATION: LateTable[Callable[..., Localizer]] = LateTable(
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
    }
)
"""Name → factory, called with K, the size (H, W) that findings are on, what to do to the heatmaps first (`"sigmoid"`,
`"softmax"` or None), and `grid`, where their cells lie."""


def check_metric(name: str) -> None:
    """Refuse what is no key of `LOCALIZATION`.

    Raises:
        UnknownNameError: names the nearest.
    """
    if name not in LOCALIZATION:
        raise UnknownNameError(
            f"Unknown metric {name!r}.{suggest(name, LOCALIZATION)} There are {', '.join(LOCALIZATION)}."
        )
