"""Point localization accuracy: does the brightest pixel of a class's heatmap lie in a box of that class?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.errors import ConfigError, DataError, suggest
from pylon_zoo.metrics.outcomes import Outcomes
from pylon_zoo.metrics.result import MetricResult

PIXELS_AT_ONCE = 4 * 1024 * 1024
"""Upsampled pixels held in memory at a time (16 MiB of float32), however many maps there are."""

ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda heatmaps: torch.softmax(heatmaps, dim=1),
    None: lambda heatmaps: heatmaps,
}
"""What is done to the (N, K, h, w) logits before they are upsampled."""


class PointAccuracy:
    """Share of (image, class) pairs whose heatmap peaks inside a box of the class, as the paper measures it.

    For every image and every class that has a box in it: the heatmap goes through `activation`, then bilinearly
    (`align_corners=False`) to `size`; its maximum is a hit when it lies in *any* of the class's boxes, borders
    included. Images without a box of a class say nothing about that class. (Preechakul et al. 2022, "point
    localization accuracy".)

    Ties: the first maximum in raster order counts (top row first, then left to right), computed in float32. A float32
    sigmoid makes ties where logits exceed about 17, so maps that confident are judged by their top-left brightest
    pixel; `activation=None` judges the logits themselves.

    Only counts are kept, so memory is flat in the number of images, and only maps that have a box are upsampled.

    Args:
        num_classes: K.
        size: (H, W) in pixels, the size of the image that the boxes are drawn on.
        activation: `"sigmoid"` as in the paper, `"softmax"` over the classes, or None for the raw heatmap.

    Raises:
        ConfigError: unknown activation, or a size or class count below 1.

    Example:
        >>> metric = PointAccuracy(num_classes=1, size=(4, 4))
        >>> metric.update(torch.eye(2).view(1, 1, 2, 2), [torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])])
        >>> metric.compute().macro
        1.0
    """

    def __init__(self, num_classes: int, size: tuple[int, int], activation: str | None = "sigmoid") -> None:
        if activation not in ACTIVATIONS:
            near = suggest(str(activation), [name for name in ACTIVATIONS if name])
            raise ConfigError(f"activation={activation!r} is not one of 'sigmoid', 'softmax' and None.{near}")
        if num_classes < 1 or len(size) != 2 or min(size) < 1:
            raise ConfigError(f"PointAccuracy needs at least one class and a size (H, W) of at least 1; got {size}.")
        self.num_classes = num_classes
        self.size = (int(size[0]), int(size[1]))
        self.activation = activation
        self.hits = torch.zeros(num_classes, dtype=torch.int64)
        self.support = torch.zeros(num_classes, dtype=torch.int64)

    def update(self, heatmaps: Tensor, boxes: Sequence[Tensor]) -> None:
        """Count one batch; arguments and errors as for `judge`."""
        self.count(self.judge(heatmaps, boxes))

    def count(self, outcomes: Outcomes) -> None:
        """Count what `judge` said of one batch."""
        self.hits += torch.bincount(outcomes.labels[outcomes.values > 0], minlength=self.num_classes)
        self.support += torch.bincount(outcomes.labels, minlength=self.num_classes)

    @torch.no_grad()
    def judge(self, heatmaps: Tensor, boxes: Sequence[Tensor]) -> Outcomes:
        """Hit or miss for every pair of an image and a class that has a box in it; counts nothing.

        Args:
            heatmaps: (N, K, h, w) raw logits, any floating dtype, any device.
            boxes: N tensors (M, 5) of class index, x0, y0, x1, y1 in pixels of `size`; (0, 5) for an image without.

        Returns:
            One outcome per pair, on the CPU; images are numbered by their place in the batch.

        Raises:
            DataError: shapes do not fit, a box names a class outside [0, K), or a judged heatmap is not finite.
        """
        if heatmaps.ndim != 4 or heatmaps.shape[1] != self.num_classes or len(boxes) != len(heatmaps):
            raise DataError(
                f"Point accuracy over {self.num_classes} classes needs heatmaps (N, {self.num_classes}, h, w) and N "
                f"lists of boxes; got heatmaps {tuple(heatmaps.shape)} and boxes for {len(boxes)} images."
            )
        rows = _stack(boxes).to(heatmaps.device)
        if not len(rows):
            return Outcomes.join([])
        counts = torch.tensor([len(image_boxes) for image_boxes in boxes], device=rows.device)
        images = torch.arange(len(boxes), device=rows.device).repeat_interleave(counts)
        labels = rows[:, 0].long()
        if bool((labels < 0).any()) or bool((labels >= self.num_classes).any()):
            raise DataError(
                f"A box names class {int(labels.max() if labels.max() >= self.num_classes else labels.min())}, but "
                f"there are classes 0 to {self.num_classes - 1} only."
            )

        pairs, pair_of_box = torch.unique(images * self.num_classes + labels, return_inverse=True)
        activated = ACTIVATIONS[self.activation](heatmaps.float())
        peaks = peak_indices(activated.flatten(0, 1)[pairs], self.size)[pair_of_box]
        columns, lines = peaks % self.size[1], peaks // self.size[1]
        _, x0, y0, x1, y1 = rows.unbind(1)
        inside = (x0 <= columns) & (columns <= x1) & (y0 <= lines) & (lines <= y1)
        hits = torch.zeros(len(pairs), device=rows.device).index_add(0, pair_of_box, inside.float()).clamp(max=1)
        shares = (x1 - x0) * (y1 - y0) / (self.size[0] * self.size[1])
        areas = torch.zeros_like(hits).index_add(0, pair_of_box, shares).clamp(0, 1)
        return Outcomes(*(one.cpu() for one in (pairs // self.num_classes, pairs % self.num_classes, hits, areas)))

    def compute(self) -> MetricResult:
        """The accuracy per class so far; support is the number of images with a box of the class.

        Returns:
            `per_class` in [0, 1], NaN for classes without a box.
        """
        # 0 / 0 is the NaN that a class without support must have.
        return MetricResult("point_accuracy", self.hits.double() / self.support.double(), self.support.clone())

    def merge(self, other: PointAccuracy) -> PointAccuracy:
        """Add another evaluator's counts to this one, as after evaluating in several processes.

        Args:
            other: an evaluator of the same classes, size and activation.

        Returns:
            This evaluator.

        Raises:
            ConfigError: the two do not measure the same thing.
        """
        mine, theirs = ((one.num_classes, one.size, one.activation) for one in (self, other))
        if mine != theirs:
            raise ConfigError(
                f"Cannot merge point accuracies of different (classes, size, activation): {mine}, {theirs}."
            )
        self.hits += other.hits
        self.support += other.support
        return self


def peak_indices(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each map is brightest once bilinearly upsampled, first in raster order among equals.

    Args:
        maps: (P, h, w) floating point.
        size: (H, W) to upsample to.

    Returns:
        (P,) int64 flat indices `row * W + column`.

    Raises:
        DataError: a map holds NaN (or infinities, which upsampling turns into NaN).

    Example:
        >>> peak_indices(torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]), (4, 4))
        tensor([3])
    """
    at_once = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))
    peaks = [torch.zeros(0, dtype=torch.int64, device=maps.device)]
    for chunk in maps.split(at_once):
        full = functional.interpolate(chunk.unsqueeze(1), size=size, mode="bilinear", align_corners=False)
        values, index = full.flatten(1).max(dim=1)
        if bool(values.isnan().any()):
            raise DataError(
                "A heatmap holds NaN or infinity, so it has no peak. Look for a diverged model or broken pixels."
            )
        peaks.append(index)
    return torch.cat(peaks)


def _stack(boxes: Sequence[Tensor]) -> Tensor:
    """All boxes of a batch as one (B, 5) float32 tensor."""
    for position, image_boxes in enumerate(boxes):
        if image_boxes.ndim != 2 or image_boxes.shape[1] != 5:
            raise DataError(
                f"Boxes of image {position} have shape {tuple(image_boxes.shape)}; they must be (M, 5): class, x0, y0, "
                "x1, y1."
            )
    return torch.cat([image_boxes.float() for image_boxes in boxes]) if len(boxes) else torch.zeros(0, 5)
