"""What the localization metrics share: (image, class) pairs, their maps at image size, and where the finding is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, between_centres, both
from pylon_zoo.errors import ConfigError, suggest
from pylon_zoo.metrics.bearing import bearings
from pylon_zoo.metrics.findings import Drawn, Regions, find_pairs, paint
from pylon_zoo.metrics.geometry import peak_pixels, rasterize, upsample
from pylon_zoo.metrics.outcomes import Outcomes, Scored
from pylon_zoo.metrics.resampling import Mean, Statistic
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.regions import boxes_of_regions

PIXELS_AT_ONCE = 4 * 1024 * 1024
"""Upsampled pixels judged at a time (16 MiB of float32 per tensor of that size), however many maps there are."""

UNIT = 2.0**-32
"""Scores are added up in whole multiples of it: up to a sum of 2²¹ that is exact in float64, so the same in any order
and however the images are shared out, and no score moves by more than 1.2e-10."""

ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda heatmaps: torch.softmax(heatmaps, dim=1),
    None: lambda heatmaps: heatmaps,
}
"""What is done to the (N, K, h, w) logits before they are upsampled."""


@dataclass(frozen=True)
class Pairs:
    """Some (image, class) pairs at image size.

    Args:
        maps: (P, H, W) float32, activated and upsampled.
        images: (P,) int64 places in the batch.
        labels: (P,) int64 classes.
        boxes: (B, 4) float32 x0, y0, x1, y1 of all pairs; (0, 4) where masks alone were given.
        owner: (B,) int64, which of the P pairs each box belongs to.
        masks: (P, H, W) bool, which then count and not the boxes; None where only boxes were given.
        window: rows and columns where peaks are looked for.
    """

    maps: Tensor
    images: Tensor
    labels: Tensor
    boxes: Tensor
    owner: Tensor
    masks: Tensor | None
    window: tuple[slice, slice]

    @cached_property
    def peaks(self) -> Tensor:
        """(P,) int64 flat index of each map's brightest pixel, first in raster order among equals."""
        return peak_pixels(self.maps, self.window)

    @cached_property
    def truth(self) -> Tensor:
        """(P, H, W) bool: the masks, or the pixels whose centre lies in any of the pair's boxes, borders included."""
        if self.masks is not None:
            return self.masks
        return rasterize(self.boxes, self.owner, len(self.maps), both(self.maps.shape[-2:]))

    @property
    def areas(self) -> Tensor:
        """(P,) the regions' area as a share of the image; overlaps of boxes count twice, at most 1."""
        if self.masks is not None:
            return self.masks.float().mean(dim=(1, 2))
        x0, y0, x1, y1 = self.boxes.unbind(1)
        shares = (x1 - x0) * (y1 - y0) / (self.maps.shape[1] * self.maps.shape[2])
        return torch.zeros(len(self.maps), device=shares.device).index_add(0, self.owner, shares).clamp(0, 1)

    @property
    def closed_boxes(self) -> tuple[Tensor, Tensor]:
        """Boxes (B, 4) and their owners (B,); of masks, the bounding boxes of their 8-connected regions, map by map."""
        if self.masks is None:
            return self.boxes, self.owner
        boxes, owner = boxes_of_regions(self.masks.cpu())
        return boxes.float().to(self.maps.device), owner.to(self.maps.device)

    @property
    def flat(self) -> tuple[Tensor, Tensor]:
        """Maps and truth, (P, H·W) each."""
        return self.maps.flatten(1), self.truth.flatten(1)


class PairMetric:
    """A metric that is a mean over (image, class) pairs; a subclass says what one pair scores.

    Pairs without a box (or with an empty mask) say nothing about their class. Heatmaps are activated, brought to pixels
    (`pylon_zoo.cells.to_pixels`) and judged in chunks; only sums are kept, so memory is flat in the number of images
    and of maps.

    Args:
        num_classes: K.
        size: (H, W) in pixels, the size of the image that boxes or masks are drawn on.
        activation: `"sigmoid"`, `"softmax"` over the classes, or None for the raw heatmap.
        grid: where the heatmaps' cells lie, in pixels of `size` (a model's `cell_grid`); None takes them for tiles of
            the image, as the paper does.

    Raises:
        ConfigError: unknown activation, or a size or class count below 1.
    """

    name = "pairs"
    by_masks = False
    """Whether an evaluation judges it by masks, where a dataset has them, and by boxes elsewhere."""

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        grid: CellGrid | None = None,
    ) -> None:
        if activation not in ACTIVATIONS:
            near = suggest(str(activation), [name for name in ACTIVATIONS if name])
            raise ConfigError(f"activation={activation!r} is not one of 'sigmoid', 'softmax' and None.{near}")
        if num_classes < 1 or len(size) != 2 or min(size) < 1:
            raise ConfigError(
                f"{type(self).__name__} needs at least one class and a size (H, W) of at least 1; got "
                f"num_classes={num_classes}, size={size}."
            )
        self.num_classes = num_classes
        self.size = (int(size[0]), int(size[1]))
        self.activation = activation
        self.grid = grid
        self.sums: dict[str, Tensor] = {}
        self.support = self.add_sum("support", dtype=torch.int64)
        self.total = self.add_sum("total")

    def add_sum(self, name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """A (K, *shape) tensor of zeros that `merge` adds up."""
        self.sums[name] = torch.zeros(self.num_classes, *shape, dtype=dtype)
        return self.sums[name]

    @property
    def settings(self) -> dict[str, object]:
        """The options that the number depends on; two evaluators merge only when these are equal."""
        return {name: value for name, value in vars(self).items() if name != "sums" and not isinstance(value, Tensor)}

    def update(self, heatmaps: Tensor, regions: Regions) -> None:
        """Count one batch.

        Args:
            heatmaps: (N, K, h, w) raw logits, any floating dtype, any device.
            regions: N tensors (M, 5) of class index, x0, y0, x1, y1 in pixels of `size`, (0, 5) for an image without;
                or masks (N, K, H, W), non-zero on the finding; or both, see `pylon_zoo.metrics.findings.drawn`.

        Raises:
            DataError: shapes do not fit, a box names a class outside [0, K), or a judged heatmap is not finite.
        """
        self.measure(heatmaps, regions)

    @torch.no_grad()
    def measure(self, heatmaps: Tensor, regions: Regions) -> Scored:
        """Count one batch and say what was counted.

        Args:
            heatmaps, regions: as for `update`.

        Returns:
            What `statistic` takes, on the CPU; images are numbered by their place in the batch.

        Raises:
            DataError: as for `update`.
        """
        # All chunks are judged before anything is counted, so that a batch that raises leaves no trace.
        judged = [
            (pairs.images.cpu(), pairs.labels.cpu(), self.score(pairs).cpu()) for pairs in self.pairs(heatmaps, regions)
        ]
        for _, labels, scores in judged:
            self.count(labels, scores)
        return Scored.join([Scored(images, labels, self.kept(scores)) for images, labels, scores in judged])

    def kept(self, scores: Tensor) -> Tensor:
        """What a figure is made of, of `score`'s result: (P,) or (P, …)."""
        return scores

    def statistic(self, name: str, scored: Scored, classes: int) -> Statistic:
        """How the figure follows from the pairs of a draw.

        Args:
            name: of the figure.
            scored: what `measure` returned, joined, perhaps of some classes only.
            classes: how many.
        """
        return Mean(name, scored, classes)

    @torch.no_grad()
    def judge(self, heatmaps: Tensor, regions: Regions) -> Outcomes:
        """What every pair scores, for metrics of one score a pair; counts nothing (`count` takes labels and values).

        Args:
            heatmaps, regions: as for `update`.

        Returns:
            One outcome per pair, on the CPU; images are numbered by their place in the batch.

        Raises:
            DataError: as for `update`.
        """
        cells, judged = both(heatmaps.shape[2:]), []
        for pairs in self.pairs(heatmaps, regions):
            where = bearings(pairs.peaks, *pairs.closed_boxes, self.size, cells, self.grid)
            judged.append((pairs.images, pairs.labels, self.score(pairs), pairs.areas, *where))
        return Outcomes.join([Outcomes(*(one.cpu() for one in each)) for each in judged])

    def pairs(self, heatmaps: Tensor, regions: Regions) -> Iterator[Pairs]:
        """The batch's pairs that have a region, a chunk of at most `PIXELS_AT_ONCE` pixels at a time."""
        pairs, boxes, owner = find_pairs(heatmaps, regions, self.num_classes, self.size)
        # Image by image, because a CPU's vector lanes round otherwise than what is left over at the end of a batch.
        images = heatmaps.float().contiguous().split(1)
        maps = torch.cat([ACTIVATIONS[self.activation](image) for image in images]).flatten(0, 1)
        at_once = max(1, PIXELS_AT_ONCE // (self.size[0] * self.size[1]))
        for start in range(0, len(pairs), at_once):
            chunk = pairs[start : start + at_once]
            full = upsample(maps[chunk], self.size, self.grid)
            mine = (owner >= start) & (owner < start + at_once)
            own = boxes[mine], owner[mine] - start
            masks = None
            if isinstance(regions, (Tensor, Drawn)):
                masks = paint(regions, chunk, *own, self.num_classes, self.size)
            yield Pairs(
                full,
                chunk // self.num_classes,
                chunk % self.num_classes,
                *own,
                masks,
                between_centres((heatmaps.shape[2], heatmaps.shape[3]), self.size, self.grid),
            )

    def score(self, pairs: Pairs) -> Tensor:
        """(P,) scores of pairs; a NaN leaves its pair out of mean and support."""
        raise NotImplementedError

    def count(self, labels: Tensor, scores: Tensor) -> None:
        """Add (P,) scores to their classes' sums, to the nearest `UNIT`."""
        scores = (scores.cpu().double() / UNIT).round() * UNIT
        defined = ~scores.isnan()
        self.total.index_add_(0, labels[defined], scores[defined])
        self.support += torch.bincount(labels[defined], minlength=self.num_classes)

    def compute(self) -> MetricResult:
        """The mean per class so far; support is the number of (image, class) pairs judged.

        Returns:
            `per_class` (K,) float64, NaN for classes without support.
        """
        # 0 / 0 is the NaN that a class without support must have.
        return MetricResult(self.name, self.total / self.support.double(), self.support.clone())

    def merge(self, other: Self) -> Self:
        """Add another evaluator's sums to this one, as after evaluating in several processes.

        Args:
            other: an evaluator of the same kind and options.

        Returns:
            This evaluator.

        Raises:
            ConfigError: the two do not measure the same thing.
        """
        if type(self) is not type(other) or self.settings != other.settings:
            raise ConfigError(
                f"Cannot merge {type(self).__name__} {self.settings} with {type(other).__name__} {other.settings}: "
                "evaluate all parts with the same options."
            )
        self.add_sums(other.sums)
        return self

    def add_sums(self, sums: Mapping[str, Tensor]) -> None:
        """Add sums of an evaluator that is known to measure the same thing."""
        for name, mine in self.sums.items():
            mine += sums[name]
