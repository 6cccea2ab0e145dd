"""Maps at image size and boxes as pixels: what localization metrics compute with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, to_pixels
from pylon_zoo.errors import DataError


def upsample(maps: Tensor, size: tuple[int, int], grid: CellGrid | None = None) -> Tensor:
    """Maps (P, h, w) to (P, H, W), see `pylon_zoo.cells.to_pixels`.

    Raises:
        DataError: a map holds NaN or infinity.
    """
    if not bool(maps.isfinite().all()):
        raise DataError("A heatmap holds NaN or infinity. Look for a diverged model or broken pixels.")
    return to_pixels(maps, size, grid)


def peak_pixels(full: Tensor, window: tuple[slice, slice]) -> Tensor:
    """Flat index `row * W + column` of each map's brightest pixel in a window, the first in raster order among equals.

    Args:
        full: (P, H, W) at image size.
        window: rows and columns, of `pylon_zoo.cells.between_centres`.

    Returns:
        (P,) int64.

    Example:
        >>> peak_pixels(torch.tensor([[[9.0, 1.0, 3.0, 3.0]]]), (slice(0, 1), slice(1, 4)))
        tensor([2])
    """
    rows, columns = window
    part = full[:, rows, columns]
    peaks = part.flatten(1).max(dim=1).indices
    across = part.shape[2]
    found: Tensor = (peaks // across + rows.start) * full.shape[2] + peaks % across + columns.start
    return found


def unit_range(maps: Tensor) -> Tensor:
    """Maps (P, …) each scaled to [0, 1] by its minimum and maximum; a constant map becomes 0.

    Example:
        >>> unit_range(torch.tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist()
        [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    """
    flat = maps.flatten(1)
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    return ((flat - low) / (high - low).clamp(min=torch.finfo(flat.dtype).tiny)).view_as(maps)


def rasterize(boxes: Tensor, owner: Tensor, count: int, size: tuple[int, int]) -> Tensor:
    """The pixels whose centres lie in any box of their pair, borders included.

    Args:
        boxes: (B, 4) x0, y0, x1, y1 in pixels; the centre of the first pixel is at 0, as in point accuracy.
        owner: (B,) the pair of each box, in [0, count).
        count: P.
        size: (H, W).

    Returns:
        (P, H, W) bool.

    Example:
        >>> rasterize(torch.tensor([[1.0, 0.0, 2.0, 0.5]]), torch.tensor([0]), 1, (2, 4)).int().tolist()
        [[[0, 1, 1, 0], [0, 0, 0, 0]]]
    """
    columns, lines = (torch.arange(length, device=boxes.device) for length in (size[1], size[0]))
    x0, y0, x1, y1 = boxes.unsqueeze(2).unbind(1)
    across, down = (x0 <= columns) & (columns <= x1), (y0 <= lines) & (lines <= y1)
    truth = torch.zeros(count, *size, dtype=torch.bool, device=boxes.device)
    # By the rank of a box within its pair: the n-th boxes of all pairs at once, so each pair is written once per step.
    order = torch.argsort(owner, stable=True)
    owner, across, down = owner[order], across[order], down[order]
    rank = torch.arange(len(owner), device=owner.device) - torch.searchsorted(owner, owner)
    for step in range(int(rank.max()) + 1 if len(rank) else 0):
        rows = rank == step
        truth[owner[rows]] |= down[rows].unsqueeze(2) & across[rows].unsqueeze(1)
    return truth


def stack_boxes(boxes: Sequence[Tensor]) -> Tensor:
    """All boxes of a batch as one (B, 5) float32 tensor.

    Raises:
        DataError: an image's boxes are not (M, 5).
    """
    for position, image_boxes in enumerate(boxes):
        if image_boxes.ndim != 2 or image_boxes.shape[1] != 5:
            raise DataError(
                f"Boxes of image {position} have shape {tuple(image_boxes.shape)}; they must be (M, 5): class, x0, y0, "
                "x1, y1."
            )
    return torch.cat([image_boxes.float() for image_boxes in boxes]) if len(boxes) else torch.zeros(0, 5)
