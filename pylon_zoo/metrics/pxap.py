"""PxAP: the area under the precision–recall curve of pixels, pooled over the dataset."""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.geometry import unit_range
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.pairs import PairMetric, Pairs
from pylon_zoo.metrics.resampling import Pooled, Statistic
from pylon_zoo.metrics.result import MetricResult


class PixelPrecision(PairMetric):
    """PxAP: pixels of all images of a class ranked together by heatmap value, average precision of their ranking.

    Each upsampled map is scaled to [0, 1] by its minimum and maximum (a constant map becomes 0); values are counted in
    histograms of width `interval`, on and off the finding; with precision and recall at each bin's lower edge the value
    is the sum of precision · Δrecall. (Choe et al. 2020, "Evaluating weakly supervised object localization methods
    right", and its `wsolevaluation`, without the ignored pixels of OpenImages.) The curve starts at recall 0, as there.
    Defined there on masks; boxes count filled in.

    `compute` pools within each class, `pooled` over all. Memory is K · 2 · (1 ÷ interval) counts.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`; per-map scaling makes the sigmoid a matter of spacing only.
        interval: width of a bin, in (0, 1).
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, or an interval outside (0, 1).

    Example:
        >>> metric = PixelPrecision(1, (1, 4), activation=None)
        >>> metric.update(torch.tensor([[[[4.0, 3.0, 2.0, 0.0]]]]), [torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]])])
        >>> round(metric.compute().macro, 4)  # (1/2 + 2/3) / 2
        0.5833
    """

    name = "pxap"
    by_masks = True

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        interval: float = 0.001,
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        if not 0 < interval < 1:
            raise ConfigError(f"interval={interval} is not a bin width in (0, 1).")
        self.interval = interval
        self.bins = len(torch.arange(0, 1, interval, dtype=torch.float64)) + 1
        self.pixels = self.add_sum("pixels", 2, self.bins, dtype=torch.int64)

    def score(self, pairs: Pairs) -> Tensor:
        """(P, 2, bins) counts of pixels off and on the finding."""
        maps, truth = pairs.flat
        edges = torch.arange(0, 1, self.interval, dtype=torch.float64, device=maps.device).float()
        edges = torch.cat([edges, torch.ones(1, device=maps.device)])
        place = torch.bucketize(unit_range(maps), edges, right=True) - 1
        pair = torch.arange(len(maps), device=maps.device).unsqueeze(1)
        place = place + self.bins * (truth + 2 * pair)
        return torch.bincount(place.flatten(), minlength=len(maps) * 2 * self.bins).view(len(maps), 2, self.bins)

    def count(self, labels: Tensor, scores: Tensor) -> None:
        """Add (P, 2, bins) counts to their classes'."""
        self.pixels.index_add_(0, labels, scores)
        self.support += torch.bincount(labels, minlength=self.num_classes)

    def kept(self, scores: Tensor) -> Tensor:
        """(P, 2, bins) int32: an image has fewer pixels than that."""
        return scores.int()

    def statistic(self, name: str, scored: Scored, classes: int) -> Statistic:
        """The figure of a draw's pixels, pooled; see `PairMetric.statistic`."""
        return Pooled(name, scored, classes, lambda pixels, support: self.value(pixels))

    def compute(self) -> MetricResult:
        """The value in [0, 1] per class; support is the number of pairs."""
        return MetricResult(self.name, self.value(self.pixels), self.support.clone())

    @property
    def pooled(self) -> float:
        """The value over the pixels of all classes together; NaN without any pair."""
        return float(self.value(self.pixels.sum(dim=0, keepdim=True)))

    def value(self, pixels: Tensor) -> Tensor:
        """(K,) float64 of counts (K, 2, bins): average precision."""
        return average_precision(pixels)


def average_precision(pixels: Tensor) -> Tensor:
    """The sum of precision · Δrecall from the highest bin down.

    Args:
        pixels: (K, 2, bins) counts of negatives and positives, lowest bin first.

    Returns:
        (K,) float64, NaN without a positive.

    Example:
        >>> average_precision(torch.tensor([[[2, 1, 0], [0, 1, 1]]]))
        tensor([0.8333], dtype=torch.float64)
    """
    false, true = pixels.flip(2).double().cumsum(dim=2).unbind(1)
    recall = true / true[:, -1:]
    precision = true / (true + false).clamp(min=1)
    return (precision * recall.diff(dim=1, prepend=torch.zeros(len(recall), 1, dtype=torch.float64))).sum(dim=1)
