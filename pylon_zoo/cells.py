"""Where the cells of a map lie in the image, and how a map is brought onto other cells or onto pixels.

Coordinates count pixels from the centre of the first one, so pixel i is at i and an image of n pixels reaches from -½
to n - ½. A stride-2 convolution with symmetric padding centres cell i at 2i, a patch embedding at 2i + ½, TensorFlow's
padding of an even side at 2i + 1: a map drawn without knowing which is drawn up to half a cell beside what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.placements import check_placement

Pair = tuple[float, float]
T = TypeVar("T")


def both(values: Iterable[T]) -> tuple[T, T]:
    """What is given for the vertical and the horizontal axis, as the pair it is.

    Raises:
        ValueError: they are not two.

    Example:
        >>> both(torch.zeros(1, 3, 48, 64).shape[-2:])
        (48, 64)
    """
    vertical, horizontal = values
    return vertical, horizontal


@dataclass(frozen=True)
class CellGrid:
    """Evenly spaced cells over an image.

    Args:
        first: (vertical, horizontal) position of the first cell's centre, in pixels of the image.
        step: (vertical, horizontal) pixels from one cell to the next, above 0.

    Example:
        >>> CellGrid((0.0, 0.0), (32.0, 32.0)).centre(1, 2)
        (32.0, 64.0)
    """

    first: Pair
    step: Pair

    def centre(self, row: float, column: float) -> Pair:
        """(vertical, horizontal) position in pixels of the centre of a cell, counted from 0."""
        return self.first[0] + self.step[0] * row, self.first[1] + self.step[1] * column

    def scaled(self, size: tuple[int, int], to: tuple[int, int]) -> CellGrid:
        """The same cells in pixels of the same image at another size.

        Args:
            size: (H, W) in whose pixels the grid is now.
            to: (H, W) wanted.

        Example:
            >>> CellGrid((0.0, 0.0), (32.0, 32.0)).scaled((256, 256), (512, 512))
            CellGrid(first=(0.5, 0.5), step=(64.0, 64.0))
        """
        down, across = (b / a for a, b in zip(size, to, strict=True))
        first = ((self.first[0] + 0.5) * down - 0.5, (self.first[1] + 0.5) * across - 0.5)
        return CellGrid(first, (self.step[0] * down, self.step[1] * across))

    def subdivided(self, times: int) -> CellGrid:
        """The grid whose cells are this one's split into `times` by `times`, as nearest-neighbour upsampling does.

        Example:
            >>> CellGrid((1.5, 1.5), (4.0, 4.0)).subdivided(4)
            CellGrid(first=(0.0, 0.0), step=(1.0, 1.0))
        """
        step = (self.step[0] / times, self.step[1] / times)
        return CellGrid(both(at - one * (times - 1) / 2 for at, one in zip(self.first, step, strict=True)), step)


def tiling(cells: tuple[int, int], size: tuple[int, int]) -> CellGrid:
    """The grid that `placement="paper"` stands for: (h, w) cells tile an image of (H, W) pixels.

    Args:
        cells: (h, w), how many there are.
        size: (H, W) of the image in pixels.

    Returns:
        The grid of their centres.

    Example:
        >>> tiling((8, 8), (256, 256))
        CellGrid(first=(15.5, 15.5), step=(32.0, 32.0))
    """
    step = (size[0] / cells[0], size[1] / cells[1])
    return CellGrid(((step[0] - 1) / 2, (step[1] - 1) / 2), step)


def corner_aligned(grid: CellGrid, cells: tuple[int, int], to: tuple[int, int], size: tuple[int, int]) -> CellGrid:
    """The grid of (h', w') cells spread evenly from the first to the last of another's, as `align_corners=True` does.

    Along an axis of one cell, there or here, all show the same: they tile the image.

    Args:
        grid: the other, in pixels.
        cells: (h, w) of it.
        to: (h', w').
        size: (H, W) of the image in pixels.

    Example:
        >>> corner_aligned(CellGrid((0.0, 0.0), (32.0, 32.0)), (8, 8), (15, 15), (256, 256))
        CellGrid(first=(0.0, 0.0), step=(16.0, 16.0))
    """
    tiles = tiling(to, size)
    places = [
        (grid.first[axis], grid.step[axis] * (cells[axis] - 1) / (to[axis] - 1))
        if min(cells[axis], to[axis]) > 1
        else (tiles.first[axis], tiles.step[axis])
        for axis in (0, 1)
    ]
    return CellGrid((places[0][0], places[1][0]), (places[0][1], places[1][1]))


class HasCells(Protocol):
    """Whatever gives heatmaps and knows where their cells lie."""

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid | None:
        """The cells' places, in pixels of images of that size; None where they tile the image."""


def grid_for(model: HasCells, size: tuple[int, int], placement: str) -> CellGrid | None:
    """The grid that a model's heatmaps are to be drawn and judged by.

    Args:
        model: gives the heatmaps.
        size: (H, W) of its input in pixels.
        placement: one of `PLACEMENTS`.

    Returns:
        What `to_pixels` takes: None for `"paper"`.

    Raises:
        ConfigError: no such placement.
    """
    check_placement(placement)
    return model.cell_grid(size) if placement == "exact" else None


def to_pixels(maps: Tensor, size: tuple[int, int], grid: CellGrid | None = None) -> Tensor:
    """Maps at image size: bilinear between the centres of cells, the outermost cells repeated beyond theirs.

    Everything that draws or judges a heatmap brings it to pixels here.

    Args:
        maps: (…, h, w) floating point.
        size: (H, W) in pixels.
        grid: of the cells, in pixels of `size`; None is `tiling` (`align_corners=False`, `placement="paper"`).

    Returns:
        (…, H, W), the dtype of `maps`; the same bits whatever else is in the batch.

    Example:
        >>> ramp = torch.tensor([[0.0, 4.0]])
        >>> to_pixels(ramp, (1, 6), CellGrid((0.0, 1.0), (1.0, 4.0)))
        tensor([[0., 0., 1., 2., 3., 4.]])
        >>> to_pixels(ramp, (1, 4))
        tensor([[0., 1., 3., 4.]])
    """
    if grid is None:
        flat = maps.reshape(-1, 1, *maps.shape[-2:])  # map by map: beside others its last bits would differ
        flat = functional.interpolate(flat, size=size, mode="bilinear", align_corners=False)
        return flat.reshape(*maps.shape[:-2], *size)
    for axis in (0, 1):
        low, share = _neighbours(maps, axis, size[axis], grid)
        high = (low + 1).clamp(max=maps.shape[axis - 2] - 1)
        share = share.unsqueeze(1) if axis == 0 else share
        # Products and sum one by one: fused, they would round by where in memory a map happens to lie.
        maps = maps.index_select(axis - 2, low) * (1 - share) + maps.index_select(axis - 2, high) * share
    return maps


def between_centres(cells: tuple[int, int], size: tuple[int, int], grid: CellGrid | None) -> tuple[slice, slice]:
    """The rows and columns of pixels from the first cell's centre to the last one's, where a map's peak is looked for.

    Beyond them a drawn map repeats its outermost cells: a maximum there is a tie with the cell's own, far beside it.

    Args:
        cells: (h, w) of the map.
        size: (H, W) in pixels.
        grid: of the cells, as `to_pixels` takes it; None is all pixels, as in the paper.

    Example:
        >>> between_centres((2, 2), (64, 64), CellGrid((31.0, 0.0), (32.0, 32.0)))
        (slice(31, 64, None), slice(0, 33, None))
    """
    if grid is None:
        return slice(0, size[0]), slice(0, size[1])
    spans = []
    for axis in (0, 1):
        first = min(max(round(grid.first[axis]), 0), size[axis] - 1)
        last = round(grid.first[axis] + grid.step[axis] * (cells[axis] - 1))
        spans.append(slice(first, min(max(last, first), size[axis] - 1) + 1))
    return spans[0], spans[1]


def _neighbours(maps: Tensor, axis: int, pixels: int, grid: CellGrid) -> tuple[Tensor, Tensor]:
    """For each pixel of an axis the cell at or before it, and how far towards the next it lies, in [0, 1]."""
    at = (torch.arange(pixels, dtype=torch.float64, device="cpu") - grid.first[axis]) / grid.step[axis]
    at = at.clamp(0, maps.shape[axis - 2] - 1)
    low = at.floor()
    return low.long().to(maps.device), (at - low).to(maps.device, maps.dtype)


def positions(grid: CellGrid, among: CellGrid) -> tuple[Pair, Pair]:
    """Where a grid's cells lie among another's.

    Args:
        grid: of the cells asked for.
        among: of the others, of the same image.

    Returns:
        For the vertical and the horizontal axis: where the first lies and their step, both counted in `among`'s cells.

    Example:
        >>> positions(CellGrid((1.5, 1.5), (4.0, 4.0)), among=CellGrid((3.5, 3.5), (8.0, 8.0)))
        ((-0.25, 0.5), (-0.25, 0.5))
    """
    down, across = (
        ((grid.first[axis] - among.first[axis]) / among.step[axis], grid.step[axis] / among.step[axis])
        for axis in (0, 1)
    )
    return down, across
