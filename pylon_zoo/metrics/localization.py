"""The judges of heatmaps that an evaluation runs, by name: a metric is a line in `LOCALIZATION`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from pylon_zoo.metrics.point import PointAccuracy
from pylon_zoo.metrics.result import MetricResult


class Localizer(Protocol):
    """Heatmaps and boxes in, batch by batch; a value per class out. `PointAccuracy` is the example to copy."""

    def update(self, heatmaps: Tensor, boxes: Sequence[Tensor]) -> None:
        """Count one batch: heatmaps (N, K, h, w), N tensors (M, 5) of class, x0, y0, x1, y1."""

    def compute(self) -> MetricResult:
        """The values so far."""


LOCALIZATION: dict[str, Callable[[int, tuple[int, int], str | None], Localizer]] = {"point_accuracy": PointAccuracy}
"""Name → factory, called with K, the size (H, W) that the boxes are on, and what to do to the heatmaps first
(`"sigmoid"`, `"softmax"` or None)."""
