"""What a heatmap must not depend on: how the image is held, and what stands elsewhere in it.

*Two views* (equivariance; Wang et al. 2020, SEAM, with places compared rather than values): two differently mirrored,
turned and shifted copies of an image, whose heatmaps must mark the same places of it. Evidence that is marked at a
constant distance from the finding is marked on another side of it in the mirrored copy, so the two disagree.

*Context swap* (the pasting of CutMix, Yun et al. 2019): a rectangle of one image pasted into another. Inside and
outside, away from the seam, the map must stay what it was on the unmixed images. Evidence that a cell takes from
elsewhere is cut off from it, and dies.

*Tiles* (Jo and Yu 2021, Puzzle-CAM): the quarters of an image, each by itself, must look as they do in the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.cells import CellGrid, both, positions
from pylon_zoo.models.layers import axis_weights
from pylon_zoo.models.views import symmetric
from pylon_zoo.symmetries import ORIENTATIONS, dihedral, undo_dihedral

SHIFT = 0.05
"""Views are shifted by so much of the side at most, up or down and left or right."""
BLUR = 5
"""Cells: places are compared after two means over so many, so that a near miss is nearer than a far one."""
SEEN = 0.8
"""A class of whose map a larger share than the rest has left one of the views is not compared."""
RECTANGLE = (0.4, 0.7)
"""Least and most of the sides that the pasted rectangle takes."""
SEAM = 2.0
"""Cells on either side of the seam whose maps see both images, and are not compared."""


@dataclass(frozen=True)
class View:
    """How a copy of an image was made: `copy(p) = dihedral(image, k)(p - shift)`, without interpolation.

    Args:
        k: one of the eight symmetries of the square, see `pylon_zoo.symmetries`.
        shift: (down, right) in pixels.
    """

    k: int
    shift: tuple[int, int]


def draw_views(size: tuple[int, int], orientation: str, generator: torch.Generator) -> tuple[View, View]:
    """Two ways to make a copy of an image, by two different symmetries.

    Args:
        size: (H, W) in pixels; turning by a quarter needs a square.
        orientation: a key of `ORIENTATIONS`.
        generator: on the CPU.

    Example:
        >>> one, other = draw_views((64, 64), "upright", torch.Generator().manual_seed(0))
        >>> one.k != other.k, max(map(abs, (*one.shift, *other.shift))) <= 3
        (True, True)
    """
    taken: list[int] = []
    views = []
    for symmetries in ORIENTATIONS[orientation]:
        left = [k for k in symmetries if k not in taken and (k < 4 or size[0] == size[1])]
        taken.append(left[int(torch.randint(len(left), (), generator=generator))])
        shift = [int(torch.randint(-most, most + 1, (), generator=generator)) for most in map(_margin, size)]
        views.append(View(taken[-1], (shift[0], shift[1])))
    return views[0], views[1]


def make_views(images: Tensor, views: Sequence[View]) -> Tensor:
    """A copy of each image; what comes in at an edge is the image, mirrored.

    Args:
        images: (N, C, H, W).
        views: N of them.

    Returns:
        (N, C, H, W).

    Example:
        >>> make_views(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), [View(1, (0, 0))])
        tensor([[[[2., 1.],
                  [4., 3.]]]])
    """
    height, width = images.shape[-2:]
    copies = []
    for image, view in zip(images, views, strict=True):
        (down, right), turned = view.shift, dihedral(image, view.k)
        y, x = abs(down), abs(right)
        padded = functional.pad(turned[None], (x, x, y, y), mode="reflect")[0] if x or y else turned
        copies.append(padded[:, y - down : y - down + height, x - right : x - right + width])
    return torch.stack(copies)


def in_place(maps: Tensor, views: Sequence[View], grid: CellGrid, size: tuple[int, int]) -> Tensor:
    """Maps of copies back in the place of their images.

    They are read at cells that lie symmetrically in the image, as those of the network in general do not: a map that
    were simply flipped back would be up to a cell beside its image.

    Args:
        maps: (N, K, h, w) float32.
        views: N of them.
        grid: of the maps' cells, in pixels.
        size: (H, W) of the images in pixels.

    Returns:
        (N, K, h, w), linear between cells, the outermost cells repeated beyond theirs.
    """
    cells = both(maps.shape[-2:])
    wanted = symmetric(grid, cells, size)
    places = [positions(_shifted(wanted, view.shift), among=grid) for view in views]
    down, across = (
        torch.stack([axis_weights(cells[axis], cells[axis], place[axis], maps.dtype, maps.device) for place in places])
        for axis in (0, 1)
    )
    moved = down.unsqueeze(1) @ maps @ across.unsqueeze(1).transpose(-1, -2)
    return torch.stack([undo_dihedral(one, view.k) for one, view in zip(moved, views, strict=True)])


def disagreement(
    one: Tensor, other: Tensor, views: tuple[Sequence[View], Sequence[View]], grid: CellGrid, size: tuple[int, int]
) -> Tensor:
    """How differently two copies of images place each class: 1 - cosine of the blurred softmaxes over the image.

    Args:
        one, other: (N, K, h, w) heatmaps in logits.
        views: of the one, and of the other.
        grid, size: as for `in_place`.

    Returns:
        (N, K) in [0, 1], 0 where a class has left one of the two copies.
    """
    placed = [
        in_place(maps.flatten(2).softmax(2).view_as(maps), theirs, grid, size)
        for maps, theirs in zip((one, other), views, strict=True)
    ]
    seen = (placed[0].sum((2, 3)) > SEEN) & (placed[1].sum((2, 3)) > SEEN)
    first, second = (_blurred(place).flatten(2) for place in placed)
    return (1 - functional.cosine_similarity(first, second, dim=2)) * seen


@dataclass(frozen=True)
class Rectangle:
    """A part of an image, in pixels: rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    bottom: int
    left: int
    right: int

    def pixels(self, size: tuple[int, int], like: Tensor) -> Tensor:
        """(H, W) bool on the device of `like`: what lies in it."""
        inside = torch.zeros(size, dtype=torch.bool, device=like.device)
        inside[self.top : self.bottom, self.left : self.right] = True
        return inside

    def cells(self, grid: CellGrid, cells: tuple[int, int], grown: float = 0.0) -> Tensor:
        """(h, w) bool: the cells whose centres lie in it, grown on every side by so many cells."""
        rows, columns = (
            (grid.first[axis] + grid.step[axis] * torch.arange(cells[axis]), grown * grid.step[axis]) for axis in (0, 1)
        )
        down = (rows[0] >= self.top - rows[1]) & (rows[0] < self.bottom + rows[1])
        across = (columns[0] >= self.left - columns[1]) & (columns[0] < self.right + columns[1])
        return down[:, None] & across


def draw_rectangle(size: tuple[int, int], generator: torch.Generator) -> Rectangle:
    """A rectangle somewhere in an image of (H, W) pixels.

    Example:
        >>> part = draw_rectangle((100, 100), torch.Generator().manual_seed(0))
        >>> 40 <= part.bottom - part.top <= 70 and 0 <= part.left < part.right <= 100
        True
    """
    ends = []
    for side in size:
        share, where = torch.rand(2, generator=generator).tolist()
        length = round(side * (RECTANGLE[0] + share * (RECTANGLE[1] - RECTANGLE[0])))
        start = int(where * (side - length + 1))
        ends += [start, start + length]
    return Rectangle(*ends)


def swapped(images: Tensor, part: Rectangle) -> Tensor:
    """Images (N, …, H, W), each with that part of the one before it in the batch."""
    return torch.where(part.pixels(both(images.shape[-2:]), images), images.roll(1, 0), images)


def swap_errors(mixed: Tensor, whole: Tensor, part: Rectangle, grid: CellGrid) -> tuple[Tensor, Tensor]:
    """How far the maps of mixed images are from what their parts were on the unmixed ones.

    Args:
        mixed: (N, K, h, w) heatmaps of `swapped` images, in logits.
        whole: (N, K, h, w) heatmaps of the unmixed ones; nothing is learnt through them.
        part: that was swapped.
        grid: of the maps' cells, in pixels.

    Returns:
        (N, K) squared difference of the probabilities over the sum of their squares, the seam left out, in [0, 1]; and
        (N, K) the binary cross-entropy of the mixed maps' maxima with those of the parts.
    """
    cells = both(mixed.shape[-2:])
    inside = part.cells(grid, cells).to(mixed.device)
    compared = ~part.cells(grid, cells, SEAM) | part.cells(grid, cells, -SEAM)
    compared = compared.to(mixed.device)
    whole = whole.detach()
    wanted, found = torch.where(inside, whole.roll(1, 0), whole).sigmoid() * compared, mixed.sigmoid() * compared
    apart = (found - wanted).square().sum((2, 3)) / (found.square() + wanted.square()).sum((2, 3)).clamp(min=1e-6)
    highest = mixed.masked_fill(~compared, -torch.inf).amax((2, 3)).clamp(min=-30)  # all is seam in a tiny map
    follows = functional.binary_cross_entropy_with_logits(highest, wanted.amax((2, 3)), reduction="none")
    return apart, follows


def tiled(images: Tensor) -> Tensor:
    """The quarters of images (N, C, H, W) of even sides: (4 N, C, H / 2, W / 2), top left, top right, bottom left, …"""
    height, width = images.shape[2] // 2, images.shape[3] // 2
    return torch.cat([images[:, :, y : y + height, x : x + width] for y in (0, height) for x in (0, width)])


def tile_errors(quarters: Tensor, whole: Tensor) -> Tensor:
    """How far the maps of an image's quarters, put together, are from its own: (N, K) in [0, 1].

    Args:
        quarters: (4 N, K, h / 2, w / 2) heatmaps of `tiled` images, in logits.
        whole: (N, K, h, w) heatmaps of the whole ones, h and w even.
    """
    top_left, top_right, bottom_left, bottom_right = quarters.chunk(4)
    together = torch.cat([torch.cat([top_left, top_right], 3), torch.cat([bottom_left, bottom_right], 3)], 2).sigmoid()
    whole = whole.sigmoid()
    return (together - whole).square().sum((2, 3)) / (together.square() + whole.square()).sum((2, 3)).clamp(min=1e-6)


def _margin(side: int) -> int:
    return round(SHIFT * side)


def _shifted(grid: CellGrid, shift: tuple[int, int]) -> CellGrid:
    return CellGrid((grid.first[0] + shift[0], grid.first[1] + shift[1]), grid.step)


def _blurred(maps: Tensor) -> Tensor:
    for _ in range(2):
        maps = functional.avg_pool2d(maps, BLUR, 1, BLUR // 2, count_include_pad=False)
    return maps
