"""MaxBoxAccV2: box accuracy at the heatmap threshold that suits the data best."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.geometry import unit_range
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.overlap import best_overlap
from pylon_zoo.metrics.pairs import PairMetric, Pairs
from pylon_zoo.metrics.resampling import Pooled, Statistic
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.regions import Cuts, holes_of_cuts, regions_of_cuts

LEVELS = 256
EDGES = ("wsolevaluation", "closed")
PIXELS_AT_ONCE = 2**16
"""Pixels of the maps whose contours are found at a time."""


class MaxBoxAccuracy(PairMetric):
    """MaxBoxAccV2: is any contour's box close to any true box, at the best threshold, over IoU 0.3, 0.5 and 0.7?

    Each upsampled map is scaled to [0, 1] by its minimum and maximum, then to 8 bits. For each threshold t of the grid
    0, `interval`, … below 1 the pixels above ⌊t · 255⌋ form contours, those of holes included; a pair is right when the
    bounding box of any of them has IoU ≥ δ with any box of the class. The accuracy at δ is that of the best t, and the
    value is the mean over the δ. (Choe et al. 2020, "Evaluating weakly supervised object localization methods right",
    and its `wsolevaluation`, `multi_contour_eval`.)

    `compute` chooses t for each class, `pooled` one t for all classes, which is `wsolevaluation`'s number. The
    thresholds are chosen on the data they are judged on, as the definition has it: compare models, not datasets.

    Counts take K · 256 · len(ious) numbers. Contours are found on the CPU, those of all thresholds and of many maps at
    once (`pylon_zoo.regions.cuts`).

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`.
        interval: step of the grid of thresholds, in (0, 1).
        ious: the δ, in (0, 1].
        edges: `"wsolevaluation"`: a contour's box ends one pixel after its last, as there (boxes of the data are
            closed); `"closed"`: it ends at its last pixel, so that a perfect map has IoU 1.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, or an interval, IoU or edges out of range.

    Example:
        >>> metric = MaxBoxAccuracy(1, (2, 4), activation=None, edges="closed")
        >>> metric.update(torch.tensor([[[[0.0, 5.0, 5.0, 0.0]] * 2]]), [torch.tensor([[0.0, 1.0, 0.0, 2.0, 1.0]])])
        >>> metric.compute().macro
        1.0
    """

    name = "max_box_accuracy"

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        interval: float = 0.001,
        ious: Sequence[float] = (0.3, 0.5, 0.7),
        edges: str = "wsolevaluation",
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        if not 0 < interval < 1 or not ious or not all(0 < iou <= 1 for iou in ious):
            raise ConfigError(f"interval={interval} must be in (0, 1) and ious={tuple(ious)} in (0, 1].")
        if edges not in EDGES:
            raise ConfigError(f"edges={edges!r} is not one of {', '.join(EDGES)}.")
        self.interval, self.ious, self.edges = interval, tuple(ious), edges
        cuts = torch.arange(0, 1, interval, dtype=torch.float64)
        self.levels = tuple((cuts * (LEVELS - 1)).long().unique().tolist())
        self.right = self.add_sum("right", len(self.levels), len(self.ious), dtype=torch.int64)

    def score(self, pairs: Pairs) -> Tensor:
        """(P, levels, ious): 1 for right and 0 for wrong, int64."""
        images = (unit_range(pairs.maps) * (LEVELS - 1)).to(torch.uint8).cpu()
        boxes, owner = (each.cpu() for each in pairs.closed_boxes)
        # A map that comes several times running, as where one is drawn for all classes, is cut once.
        images, which = images.flatten(1).unique_consecutive(dim=0, return_inverse=True)
        images, at_once = images.view(-1, *self.size), max(1, PIXELS_AT_ONCE // (self.size[0] * self.size[1]))
        scores = []
        for start in range(0, len(images), at_once):
            first, stop = torch.searchsorted(which, torch.tensor([start, start + at_once])).tolist()
            mine = (owner >= first) & (owner < stop)
            found = self.contours(images[start : start + at_once])
            scores.append(self.right_at(found, which[first:stop] - start, boxes[mine], owner[mine] - first))
        return torch.cat(scores)

    def right_at(self, found: Cuts, which: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """(P, levels, ious) int64: 1 where any contour of the map of a pair, `which` (P,), is close to its boxes."""
        owners, order = found.owners.sort(stable=True)
        of_maps = order.split(owners.bincount().tolist())
        rows = [of_maps[index] for index in which.tolist()]
        pairs = torch.arange(len(rows)).repeat_interleave(torch.tensor([len(each) for each in rows]))
        low, high, predicted = (each[torch.cat(rows)] for each in (found.low, found.high, found.boxes))
        best = best_overlap(predicted, pairs, boxes, owner)
        close = (best.unsqueeze(1) >= torch.tensor(self.ious, dtype=torch.float64)).long()
        # One more from the first cut of a contour on, one less after its last.
        steps = torch.zeros(len(rows) * (LEVELS + 1), len(self.ious), dtype=torch.int64)
        steps.index_add_(0, pairs * (LEVELS + 1) + low, close)
        steps.index_add_(0, pairs * (LEVELS + 1) + high, -close)
        return (steps.view(len(rows), LEVELS + 1, -1).cumsum(dim=1) > 0).long()[:, list(self.levels)]

    def contours(self, images: Tensor) -> Cuts:
        """The contours of (P, H, W) uint8 maps at all cuts; one at the origin from a map's maximum on."""
        parts = regions_of_cuts(images), holes_of_cuts(images)
        owners, low, high, boxes = (torch.cat(each) for each in zip(*parts, strict=True))
        if self.edges == "wsolevaluation":
            last = torch.tensor([self.size[1] - 1, self.size[0] - 1])
            boxes[:, 2:] = torch.minimum(boxes[:, 2:] + 1, last)
        maps = torch.arange(len(images))
        return Cuts(
            torch.cat([owners, maps]),
            torch.cat([low, images.amax(dim=(1, 2)).long()]),
            torch.cat([high, torch.full_like(maps, LEVELS)]),
            torch.cat([boxes, torch.zeros(len(maps), 4, dtype=torch.int64)]),
        )

    def count(self, labels: Tensor, scores: Tensor) -> None:
        """Add (P, levels, ious) scores to their classes' counts."""
        self.right.index_add_(0, labels, scores)
        self.support += torch.bincount(labels, minlength=self.num_classes)

    def kept(self, scores: Tensor) -> Tensor:
        """(P, levels, ious) bool: a byte each."""
        return scores.bool()

    def statistic(self, name: str, scored: Scored, classes: int) -> Statistic:
        """The figure of a draw, at the draw's own best threshold; see `PairMetric.statistic`."""
        return Pooled(name, scored, classes, _at_best)

    def compute(self) -> MetricResult:
        """Mean over IoU of the accuracy at the class's best threshold; support is the number of pairs."""
        return MetricResult(self.name, _at_best(self.right, self.support), self.support.clone())

    @property
    def pooled(self) -> float:
        """Mean over IoU of the accuracy of all pairs together at one best threshold; NaN without any pair."""
        return float(self.right.sum(dim=0).amax(dim=0).double().mean() / self.support.sum())


def _at_best(right: Tensor, support: Tensor) -> Tensor:
    """(K,) accuracy of (K, levels, ious) counts at the best threshold of (K,) pairs, mean over IoU."""
    return right.amax(dim=1).double().mean(dim=1) / support.double()
