"""Where findings are: boxes, filled in, or the pixels of masks where somebody drew them. The one place that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pylon_zoo.errors import DataError
from pylon_zoo.metrics.geometry import rasterize, stack_boxes


@dataclass(frozen=True)
class Drawn:
    """Findings of N images by boxes and masks; a class's mask in an image stands for all of its boxes there.

    Args:
        boxes: N tensors (M, 5) of class, x0, y0, x1, y1.
        masks: N tables, class → (H, W) bool that has a pixel.
    """

    boxes: Sequence[Tensor]
    masks: Sequence[Mapping[int, Tensor]]

    def __len__(self) -> int:
        """The number of images, N."""
        return len(self.boxes)


Regions = Sequence[Tensor] | Tensor | Drawn
"""Where the findings are: N tensors (M, 5) of class, x0, y0, x1, y1 in pixels, one mask (N, K, H, W), or both."""


def drawn(
    boxes: Sequence[Tensor], masks: Sequence[Tensor | None], class_map: Sequence[int | None] | None = None
) -> Sequence[Tensor] | Drawn:
    """Boxes with the masks that stand for them.

    A mask without a pixel says nothing: of a finding too small for the size it was brought to, the boxes are left.

    Args:
        boxes: N tensors (M, 5), with the model's classes.
        masks: N tensors (L, H, W) of the dataset's L classes, non-zero on the finding, None for an image without; empty
            where no image has any.
        class_map: dataset class → model class or None; None altogether keeps the classes.

    Returns:
        `boxes` themselves where there is no mask.

    Example:
        >>> both = drawn([torch.zeros(0, 5)], [torch.tensor([[[0, 0]], [[0, 1]]])], class_map=[None, 4])
        >>> both.masks[0][4].tolist()
        [[False, True]]
    """
    if not masks:
        return boxes
    tables = []
    for image in masks:
        table: dict[int, Tensor] = {}
        for label, mask in enumerate(() if image is None else image):
            place = label if class_map is None else class_map[label]
            if place is not None and bool(mask.any()):
                table[place] = table[place] | (mask != 0) if place in table else mask != 0
        tables.append(table)
    return Drawn(boxes, tables) if any(tables) else boxes


def find_pairs(
    heatmaps: Tensor, regions: Regions, num_classes: int, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The (image, class) pairs that have a region.

    Args:
        heatmaps: (N, K, h, w).
        regions: as in `PairMetric.update`.
        num_classes: K.
        size: (H, W).

    Returns:
        pairs (P,) int64 `image * K + class`, ascending; boxes (B, 4) float32; owner (B,) int64 in [0, P).

    Raises:
        DataError: shapes do not fit, or a box or mask is of a class outside [0, K).
    """
    if heatmaps.ndim != 4 or heatmaps.shape[1] != num_classes or len(regions) != len(heatmaps):
        raise DataError(
            f"Localization over {num_classes} classes needs heatmaps (N, {num_classes}, h, w) and N lists of boxes; "
            f"got heatmaps {tuple(heatmaps.shape)} and boxes for {len(regions)} images."
        )
    if isinstance(regions, Tensor):
        if regions.shape != (*heatmaps.shape[:2], *size):
            raise DataError(
                f"Masks of shape {tuple(regions.shape)} do not fit: (N, K, H, W) is {(*heatmaps.shape[:2], *size)}."
            )
        found = regions.flatten(2).any(dim=2).flatten()
        pairs = torch.nonzero(found).flatten().to(heatmaps.device)
        return pairs, torch.zeros(0, 4, device=pairs.device), torch.zeros(0, dtype=torch.int64, device=pairs.device)
    lists = regions.boxes if isinstance(regions, Drawn) else regions
    rows = stack_boxes(lists).to(heatmaps.device)
    counts = torch.tensor([len(image_boxes) for image_boxes in lists], device=rows.device, dtype=torch.int64)
    by_mask = _by_mask(regions, size).to(rows.device)
    images = torch.cat([torch.arange(len(lists), device=rows.device).repeat_interleave(counts), by_mask[:, 0]])
    labels = torch.cat([rows[:, 0].long(), by_mask[:, 1]])
    if bool(((labels < 0) | (labels >= num_classes)).any()):
        wrong = int(labels.max() if labels.max() >= num_classes else labels.min())
        raise DataError(f"A box or mask names class {wrong}, but there are classes 0 to {num_classes - 1} only.")
    pairs, owner = torch.unique(images * num_classes + labels, return_inverse=True)
    return pairs, rows[:, 1:], owner[: len(rows)]


def _by_mask(regions: Sequence[Tensor] | Drawn, size: tuple[int, int]) -> Tensor:
    """(D, 2) int64 image and class of each mask."""
    tables = regions.masks if isinstance(regions, Drawn) else ()
    for table in tables:
        for mask in table.values():
            if tuple(mask.shape) != size:
                raise DataError(f"A mask of shape {tuple(mask.shape)} does not fit: (H, W) is {size}.")
    found = [(image, label) for image, table in enumerate(tables) for label in table]
    return torch.tensor(found, dtype=torch.int64).view(-1, 2)


def paint(
    regions: Regions, pairs: Tensor, boxes: Tensor, owner: Tensor, num_classes: int, size: tuple[int, int]
) -> Tensor:
    """The pixels of some pairs' findings.

    Args:
        regions: as in `PairMetric.update`.
        pairs: (P,) int64 `image * K + class`.
        boxes: (B, 4) of those pairs.
        owner: (B,) in [0, P).
        num_classes: K.
        size: (H, W).

    Returns:
        (P, H, W) bool: a pair's mask, or the pixels whose centre lies in any of its boxes, borders included.
    """
    if isinstance(regions, Tensor):
        return regions.flatten(0, 1)[pairs.to(regions.device)].to(pairs.device) != 0
    truth = rasterize(boxes, owner, len(pairs), size)
    if isinstance(regions, Drawn):
        for place, pair in enumerate(pairs.tolist()):
            mask = regions.masks[pair // num_classes].get(pair % num_classes)
            if mask is not None:
                truth[place] = mask.to(truth.device)
    return truth
