"""Where a class's map is highest, and which regions of it reach a threshold, in pixels of the image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional

from pylon_zoo.metrics.point import peak_indices


class Point(NamedTuple):
    """A pixel: `x` from the left, `y` from the top, both from 0."""

    x: int
    y: int


class Box(NamedTuple):
    """A rectangle of pixels, borders included: `x0 <= x <= x1` and `y0 <= y <= y1`."""

    x0: int
    y0: int
    x1: int
    y1: int


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at another size, bilinear with `align_corners=False`, as the paper evaluates them.

    Args:
        maps: (K, h, w) floating point.
        size: (H, W) in pixels.

    Returns:
        (K, H, W), the dtype of `maps`.
    """
    return functional.interpolate(maps.unsqueeze(0), size=size, mode="bilinear", align_corners=False).squeeze(0)


def find_peak(native: Tensor, size: tuple[int, int]) -> Point:
    """The brightest pixel of a map once upsampled, the first in raster order among equals.

    It is the pixel that point localization accuracy judges.

    Args:
        native: (h, w) at the model's own resolution.
        size: (H, W) of the image.

    Returns:
        The pixel in the image.

    Example:
        >>> import torch
        >>> find_peak(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), (4, 4))
        Point(x=3, y=0)
    """
    row, column = divmod(int(peak_indices(native.unsqueeze(0), size)), size[1])
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
    rows, starts, stops = _runs(values >= threshold)
    if not len(rows):
        return ()
    region = _join(rows, starts, stops, height=values.shape[0])
    highest = np.array([values[y, a:b].max() for y, a, b in zip(rows, starts, stops, strict=True)])
    count = region.max() + 1
    x0, y0 = np.full((2, count), np.iinfo(np.int64).max)
    x1, y1 = np.full((2, count), -1)
    peak = np.full(count, -np.inf)
    np.minimum.at(x0, region, starts)
    np.minimum.at(y0, region, rows)
    np.maximum.at(x1, region, stops - 1)
    np.maximum.at(y1, region, rows)
    np.maximum.at(peak, region, highest)
    return tuple(Box(int(x0[i]), int(y0[i]), int(x1[i]), int(y1[i])) for i in np.argsort(-peak, kind="stable"))


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, first column and column after the last of every horizontal run of True, in raster order."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    # Along a row the mask switches on, off, on, …: every other switch starts a run, the next one ends it.
    rows, columns = np.divmod(np.flatnonzero(padded[:, 1:] ^ padded[:, :-1]), mask.shape[1] + 1)
    return rows[::2], columns[::2], columns[1::2]


def _join(rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, height: int) -> np.ndarray:
    """Region number of every run, regions numbered by their first run: union-find over runs that touch."""
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(height + 1)).tolist()
    starts, stops = starts.tolist(), stops.tolist()
    for y in range(1, height):
        above, here = first[y - 1], first[y]
        while above < first[y] and here < first[y + 1]:
            # Half-open runs [start, stop) touch, corners included, when neither ends before the other begins.
            if starts[above] <= stops[here] and starts[here] <= stops[above]:
                a, b = root(above), root(here)
                parent[max(a, b)] = min(a, b)
            if stops[above] <= stops[here]:
                above += 1
            else:
                here += 1
    return np.unique([root(run) for run in range(len(parent))], return_inverse=True)[1]
