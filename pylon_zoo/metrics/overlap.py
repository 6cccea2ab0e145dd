"""Accuracy of thresholded heatmaps by their overlap with the class's boxes: T(IoU) and T(IoBB)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.geometry import unit_range
from pylon_zoo.metrics.pairs import PairMetric, Pairs
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.regions import boxes_of_regions

OVERLAPS = ("iou", "iobb", "either")


class OverlapAccuracy(PairMetric):
    """Share of (image, class) pairs whose heatmap, cut at half its maximum, overlaps the class's boxes by more than T.

    Predicted are the pixels with map ÷ maximum above 0.5; the finding is the union of the class's boxes, or its mask.
    IoU = intersection ÷ union, IoBB = intersection ÷ predicted area, and a pair is right when IoBB **or** IoU exceeds
    T. (The paper's published code, `cmb-chula/pylon`.) IoBB never falls below IoU, so "either" and "iobb" are the same
    number; "iou" is the strict one.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`. A map whose maximum is not positive predicts nothing and is wrong.
        threshold: T in [0, 1); the paper's code has 0.1, 0.25 and 0.5.
        overlap: `"either"` as in that code, `"iou"` or `"iobb"`.
        level: share of the maximum above which a pixel is predicted, in [0, 1).
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, an unknown overlap, or a threshold or level outside [0, 1).

    Example:
        >>> metric = OverlapAccuracy(1, (1, 4), activation=None, threshold=0.5, overlap="iou")
        >>> metric.update(torch.tensor([[[[4.0, 3.0, 1.0, 0.0]]]]), [torch.tensor([[0.0, 0.0, 0.0, 2.0, 0.0]])])
        >>> metric.compute().macro
        1.0
    """

    name = "overlap_accuracy"

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        threshold: float = 0.1,
        overlap: str = "either",
        level: float = 0.5,
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        _check(overlap, threshold)
        if not 0 <= level < 1:
            raise ConfigError(f"level={level} is not a share of the maximum in [0, 1).")
        self.threshold, self.overlap, self.level = threshold, overlap, level

    def score(self, pairs: Pairs) -> Tensor:
        """1 for right and 0 for wrong, (P,)."""
        maps, truth = pairs.flat
        top = maps.amax(dim=1, keepdim=True)
        predicted = (maps / top > self.level) & (top > 0)
        both = (predicted & truth).sum(dim=1).double()
        area = predicted.sum(dim=1) if self.overlap != "iou" else (predicted | truth).sum(dim=1)
        return (both / area > self.threshold).double()  # 0 / 0 is NaN, and not above any threshold


class RegionAccuracy(PairMetric):
    """Wang et al.'s T(IoU) and T(IoBB): each connected region of the thresholded heatmap gives one predicted box.

    The map is scaled to whole numbers 0 to 255 (minimum to 0, maximum to 255, rounded down); for each of `levels` the
    pixels at or above it form 8-connected regions, and each region's bounding box is a prediction. A pair is right when
    any prediction overlaps any of the class's boxes by at least T, where IoU = intersection ÷ union and IoBB =
    intersection ÷ predicted box. Predictions that overlap no box so are false positives, and
    `false_positives_per_image` averages them; a region found at two levels counts twice. (Wang et al. 2017,
    "ChestX-ray8", section 4; connectivity, rounding and "at least" are not stated there and are ours.)

    Boxes span from the outer edge of their first pixel to that of their last, so a region of one pixel has area 1; a
    box x0, y0, x1, y1 of the data is taken to be closed, as in point accuracy, and its area is (x1 - x0 + 1) ·
    (y1 - y0 + 1). The regions are found on the CPU.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`.
        threshold: T in (0, 1]; Wang et al. have 0.1, 0.25, 0.5, 0.75 and 0.9 for IoBB and 0.1 to 0.7 for IoU.
        overlap: `"iobb"` or `"iou"`.
        levels: of the map in 0 to 255.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, an unknown overlap, or a threshold or level out of range.

    Example:
        >>> metric = RegionAccuracy(1, (1, 6), activation=None, threshold=0.5)
        >>> metric.update(torch.tensor([[[[9.0, 9.0, 0.0, 0.0, 9.0, 0.0]]]]), [torch.tensor([[0.0, 0, 0, 2, 0]])])
        >>> metric.compute().macro, metric.false_positives_per_image
        (1.0, 2.0)
    """

    name = "region_accuracy"

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        threshold: float = 0.1,
        overlap: str = "iobb",
        levels: Sequence[int] = (60, 180),
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        _check(overlap, threshold, OVERLAPS[:2])
        if not threshold or not levels or min(levels) < 1 or max(levels) > 255:
            raise ConfigError(f"threshold={threshold} must be above 0 and levels={tuple(levels)} within 1 to 255.")
        self.threshold, self.overlap, self.levels = threshold, overlap, tuple(levels)
        self.false_positives = self.add_sum("false_positives")

    def score(self, pairs: Pairs) -> Tensor:
        """(P, 2): 1 for right and 0 for wrong; false positives."""
        scaled = (unit_range(pairs.maps) * 255).floor()
        regions = [boxes_of_regions((scaled >= level).cpu()) for level in self.levels]
        predicted, of = (torch.cat(each) for each in zip(*regions, strict=True))
        boxes, owner = (each.cpu() for each in pairs.closed_boxes)
        good = best_overlap(predicted, of, boxes, owner, self.overlap) >= self.threshold
        all_boxes, right = (torch.bincount(each, minlength=len(scaled)) for each in (of, of[good]))
        return torch.stack([right > 0, all_boxes - right], dim=1).double()

    def kept(self, scores: Tensor) -> Tensor:
        """(P,): 1 for right and 0 for wrong."""
        return scores[:, 0]

    def count(self, labels: Tensor, scores: Tensor) -> None:
        """Add (P, 2) scores to their classes' sums."""
        super().count(labels, scores[:, 0])
        self.false_positives.index_add_(0, labels, scores[:, 1])

    @property
    def false_positives_per_image(self) -> float:
        """Wrong boxes per (image, class) pair with a finding, over all classes; NaN without any pair."""
        return float(self.false_positives.sum() / self.support.sum().double())

    def average_false_positives(self) -> MetricResult:
        """The same per class: (K,) values of at least 0, NaN without support."""
        return MetricResult("false_positives", self.false_positives / self.support.double(), self.support.clone())


def box_overlap(predicted: Tensor, boxes: Tensor, overlap: str = "iou") -> Tensor:
    """Overlap of closed pixel boxes, whose sides are x1 - x0 + 1 and y1 - y0 + 1.

    Args:
        predicted: (A, 4) x0, y0, x1, y1.
        boxes: (A, 4), one for each.
        overlap: `"iou"`, or `"iobb"` for intersection ÷ predicted area.

    Returns:
        (A,) float64 in [0, 1].

    Example:
        >>> box_overlap(torch.tensor([[0.0, 0, 1, 0]]), torch.tensor([[1.0, 0, 2, 0]]))
        tensor([0.3333], dtype=torch.float64)
    """
    predicted, boxes = predicted.double(), boxes.double()
    low, high = torch.maximum(predicted[:, :2], boxes[:, :2]), torch.minimum(predicted[:, 2:], boxes[:, 2:])
    both = (high - low + 1).clamp(min=0).prod(dim=1)
    area, other = ((one[:, 2:] - one[:, :2] + 1).prod(dim=1) for one in (predicted, boxes))
    return both / (area if overlap == "iobb" else area + other - both)


def best_overlap(predicted: Tensor, of: Tensor, boxes: Tensor, owner: Tensor, overlap: str = "iou") -> Tensor:
    """The largest overlap of each prediction with any box of its own pair.

    Args:
        predicted: (A, 4), as for `box_overlap`.
        of: (A,) int64, the pair of each.
        boxes: (B, 4).
        owner: (B,) int64, the pair of each.
        overlap: as for `box_overlap`.

    Returns:
        (A,) float64 in [0, 1]; 0 for a pair without a box.

    Example:
        >>> boxes = torch.tensor([[5.0, 0, 5, 0], [1.0, 0, 2, 0]])
        >>> best_overlap(torch.tensor([[0.0, 0, 1, 0]]), torch.tensor([0]), boxes, torch.tensor([0, 0]))
        tensor([0.3333], dtype=torch.float64)
    """
    owner, order = owner.sort(stable=True)
    first, last = torch.searchsorted(owner, of), torch.searchsorted(owner, of, right=True)
    best = torch.zeros(len(of), dtype=torch.float64)
    for rank in range(int((last - first).max()) if len(of) else 0):
        rows = (first + rank < last).nonzero().flatten()
        found = box_overlap(predicted[rows], boxes[order[first[rows] + rank]], overlap)
        best[rows] = torch.maximum(best[rows], found)
    return best


def _check(overlap: str, threshold: float, allowed: Sequence[str] = OVERLAPS) -> None:
    if overlap not in allowed:
        raise ConfigError(f"overlap={overlap!r} is not one of {', '.join(allowed)}.")
    if not 0 <= threshold < 1:
        raise ConfigError(f"threshold={threshold} is not an overlap in [0, 1).")
