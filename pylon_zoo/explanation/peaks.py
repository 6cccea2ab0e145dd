"""Where a class's map is highest, and which regions of it reach a threshold, in pixels of the image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.metrics.point import peak_indices
from pylon_zoo.regions import find_runs


class Point(NamedTuple):
    """A pixel: `x` from the left, `y` from the top, both from 0.

    Example:
        >>> Point(x=3, y=0)
        Point(x=3, y=0)
    """

    x: int
    y: int


class Box(NamedTuple):
    """A rectangle of pixels, borders included: `x0 <= x <= x1` and `y0 <= y <= y1`.

    Example:
        >>> box = Box(10, 5, 14, 9)
        >>> box.x1 - box.x0 + 1  # pixels wide
        5
    """

    x0: int
    y0: int
    x1: int
    y1: int


def find_peak(native: Tensor, size: tuple[int, int], grid: CellGrid | None = None) -> Point:
    """The brightest pixel of a map once upsampled, the first in raster order among equals.

    It is the pixel that point localization accuracy judges.

    Args:
        native: (h, w) at the model's own resolution.
        size: (H, W) of the image.
        grid: of the map's cells, in pixels of the image, see `pylon_zoo.cells.to_pixels`.

    Returns:
        The pixel in the image.

    Example:
        >>> import torch
        >>> find_peak(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), (4, 4))
        Point(x=3, y=0)
    """
    row, column = divmod(int(peak_indices(native.unsqueeze(0), size, grid)), size[1])
    return Point(column, row)


def find_boxes(values: np.ndarray, threshold: float) -> tuple[Box, ...]:
    """One box around every connected region of pixels at or above a threshold.

    Pixels that touch at a side or a corner are connected. Regions are found on runs of neighbouring pixels in a row,
    not on single pixels, so a 5000x5000 map costs no more than its regions have rows.

    Args:
        values: (H, W) probabilities.
        threshold: lowest value that belongs to a region.

    Returns:
        Boxes in descending order of the highest value inside their region; raster order among equals.

    Example:
        >>> find_boxes(np.array([[0.9, 0.0, 0.0], [0.0, 0.0, 0.6]]), threshold=0.5)
        (Box(x0=0, y0=0, x1=0, y1=0), Box(x0=2, y0=1, x1=2, y1=1))
    """
    inside = values >= threshold
    if not inside.any():
        return ()
    runs = find_runs(inside[None])
    lengths = runs.last - runs.first + 1
    highest = np.maximum.reduceat(values[inside], lengths.cumsum() - lengths)  # both are in raster order
    boxes = runs.boxes()
    peak = np.full(len(boxes), -np.inf)
    np.maximum.at(peak, runs.region, highest)
    return tuple(Box(*boxes[index].tolist()) for index in np.argsort(-peak, kind="stable"))
