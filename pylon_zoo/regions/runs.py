"""Connected regions of masks, on the runs of set pixels in their rows: the work grows with the number of runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.regions.forest import framed, join


class Runs(NamedTuple):
    """The horizontal runs of set pixels of P masks, mask by mask in raster order, and which region each belongs to.

    Attributes:
        masks, lines, first, last: (R,) int64 mask, row, first and last column of each run.
        region: (R,) int64, regions of all masks numbered by their first run.

    Example:
        >>> runs = find_runs(np.array([[[True, False, True, True]]]))
        >>> runs.regions, runs.boxes().tolist()
        (2, [[0, 0, 0, 0], [2, 0, 3, 0]])
    """

    masks: np.ndarray
    lines: np.ndarray
    first: np.ndarray
    last: np.ndarray
    region: np.ndarray

    @property
    def regions(self) -> int:
        """The number of regions."""
        return int(self.region.max(initial=-1)) + 1

    def boxes(self) -> np.ndarray:
        """(number of regions, 4) int64 x0, y0, x1, y1 of the regions, first and last pixel."""
        boxes = np.empty((self.regions, 4), dtype=np.int64)
        boxes[:, :2], boxes[:, 2:] = np.iinfo(np.int64).max, -1
        for column, (reduce, values) in enumerate(
            ((np.minimum, self.first), (np.minimum, self.lines), (np.maximum, self.last), (np.maximum, self.lines))
        ):
            reduce.at(boxes[:, column], self.region, values)
        return boxes

    def owners(self) -> np.ndarray:
        """(number of regions,) int64, the mask of each region."""
        owners = np.empty(self.regions, dtype=np.int64)
        owners[self.region] = self.masks
        return owners


def find_runs(masks: np.ndarray, diagonal: bool = True) -> Runs:
    """Cut masks into runs and join those of neighbouring rows that touch.

    Args:
        masks: (P, H, W) bool.
        diagonal: whether pixels that share only a corner are connected (8-connected regions) or not (4-connected).

    Returns:
        The runs, with the region that each belongs to.

    Example:
        >>> find_runs(np.array([[[True, False, True]]])).region.tolist()
        [0, 1]
    """
    frame = framed(masks)
    _, height, stride = frame.shape
    flat = frame.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1  # the frame is unset, so that beginnings and ends take turns
    begin, last = ends[::2], ends[1::2] - 1

    # For each run, the runs of the line above: from the first that ends at or after `begin - reach` to the last that
    # begins at or before `last + reach`. Runs are in the order of lines, then columns, so two searches give both.
    reach = int(diagonal)
    low = np.searchsorted(last, begin - stride - reach)
    touching = np.searchsorted(begin, last - stride + reach, side="right") - low
    runs = np.arange(len(begin))
    below = runs.repeat(touching)
    above = np.arange(len(below)) + (low - touching.cumsum() + touching).repeat(touching)
    region = np.unique(join(len(begin), below, above), return_inverse=True)[1]

    lines = begin // stride
    return Runs(lines // height, lines % height - 1, begin % stride, last % stride, region)


def boxes_of_regions(masks: Tensor, diagonal: bool = True) -> tuple[Tensor, Tensor]:
    """The bounding box of each connected region of some masks.

    Args:
        masks: (P, H, W) bool on the CPU.
        diagonal: as for `find_runs`.

    Returns:
        boxes (R, 4) int64 x0, y0, x1, y1, first and last pixel, mask by mask in the order of the regions' first
        pixels; owners (R,) int64, the mask of each.

    Example:
        >>> boxes_of_regions(torch.tensor([[[1, 0, 0, 1], [0, 1, 0, 1]]], dtype=torch.bool))[0]
        tensor([[0, 0, 1, 1],
                [3, 0, 3, 1]])
    """
    runs = find_runs(masks.numpy(), diagonal)
    return torch.from_numpy(runs.boxes()), torch.from_numpy(runs.owners())
