"""Connected regions of a mask and their bounding boxes, on NumPy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Runs(NamedTuple):
    """The horizontal runs of set pixels of a mask in raster order, and which region each belongs to.

    Attributes:
        lines, first, last: (R,) int64 row, first and last column of each run.
        region: (R,) int64, regions numbered by their first run.
    """

    lines: np.ndarray
    first: np.ndarray
    last: np.ndarray
    region: np.ndarray

    def boxes(self) -> np.ndarray:
        """(number of regions, 4) int64 x0, y0, x1, y1 of the regions, first and last pixel."""
        count = int(self.region.max(initial=-1)) + 1
        boxes = np.empty((count, 4), dtype=np.int64)
        boxes[:, :2], boxes[:, 2:] = np.iinfo(np.int64).max, -1
        for column, (reduce, values) in enumerate(
            ((np.minimum, self.first), (np.minimum, self.lines), (np.maximum, self.last), (np.maximum, self.lines))
        ):
            reduce.at(boxes[:, column], self.region, values)
        return boxes


def find_runs(mask: np.ndarray, diagonal: bool = True) -> Runs:
    """Cut a mask into runs and join those of neighbouring rows that touch; the work grows with the number of runs.

    Args:
        mask: (H, W) bool.
        diagonal: whether pixels that share only a corner are connected (8-connected regions) or not (4-connected).

    Example:
        >>> find_runs(np.array([[True, False, True]])).region.tolist()
        [0, 1]
    """
    width = mask.shape[1]
    # One empty column on each side, so that no run crosses a line's end.
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1).ravel()
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lines, first, last = starts // (width + 1), starts % (width + 1), ends % (width + 1) - 1

    # For each run, the runs of the line above: from the first that ends at or after `first - reach` to the last that
    # starts at or before `last + reach`. Runs are in the order of lines, then columns, so two searches give both.
    reach, stride = int(diagonal), width + 3
    begin = np.searchsorted(lines * stride + last, (lines - 1) * stride + first - reach)
    stop = np.searchsorted(lines * stride + first, (lines - 1) * stride + last + reach, side="right")
    parent = list(range(len(lines)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    for run, (low, high) in enumerate(zip(begin.tolist(), stop.tolist(), strict=True)):
        for above in range(low, high):
            one, other = root(run), root(above)
            parent[max(one, other)] = min(one, other)
    roots = np.array([root(run) for run in range(len(lines))], dtype=np.int64)
    return Runs(lines, first, last, np.unique(roots, return_inverse=True)[1])


def boxes_of_regions(mask: Tensor, diagonal: bool = True) -> Tensor:
    """The bounding box of each connected region, one map at a time.

    Args:
        mask: (H, W) bool on the CPU.
        diagonal: as for `find_runs`.

    Returns:
        (R, 4) int64 x0, y0, x1, y1, first and last pixel, in the order of the regions' first pixels.

    Example:
        >>> boxes_of_regions(torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1]], dtype=torch.bool))
        tensor([[0, 0, 1, 1],
                [3, 0, 3, 1]])
    """
    return torch.from_numpy(find_runs(mask.numpy(), diagonal).boxes())


def boxes_of_holes(mask: Tensor) -> Tensor:
    """The bounding box of the rim of each hole: the set pixels around a 4-connected region of unset ones.

    Args:
        mask: (H, W) bool on the CPU.

    Returns:
        (R, 4) int64 x0, y0, x1, y1. Unset pixels that reach the picture's edge are no hole.

    Example:
        >>> boxes_of_holes(torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.bool))
        tensor([[0, 0, 2, 2]])
    """
    boxes = boxes_of_regions(~mask, diagonal=False)
    edge = torch.tensor([mask.shape[1] - 1, mask.shape[0] - 1])
    within = ((boxes[:, :2] > 0) & (boxes[:, 2:] < edge)).all(dim=1)
    return boxes[within] + torch.tensor([-1, -1, 1, 1])
