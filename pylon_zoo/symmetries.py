"""The eight symmetries of the square, for images and maps alike.

Symmetry `k` in 0 … 7 exchanges the axes where `k & 4`, then mirrors left and right where `k & 1`, then top and bottom
where `k & 2`: 0 changes nothing, 1 is the mirror image, 3 is half a turn, 5 and 6 are the quarter turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

UPRIGHT, ANY = (0, 1), tuple(range(8))
ORIENTATIONS = {"any": (ANY, ANY), "upright": (UPRIGHT, UPRIGHT), "mixed": (UPRIGHT, ANY)}
"""How images may be held → the symmetries of the one view and of the other, where two views must agree.

Where there is an up, views that are only mirrored left for right leave a constant distance up or down unpunished: so
`"mixed"` shows every image once as such images are, and once any other way."""


def dihedral(maps: Tensor, k: int) -> Tensor:
    """One of the eight symmetries on the last two axes.

    Args:
        maps: (…, h, w).
        k: which, 0 … 7.

    Returns:
        (…, h, w), or (…, w, h) where `k & 4`.

    Example:
        >>> import torch
        >>> dihedral(torch.tensor([[1, 2], [3, 4]]), 6)  # a quarter turn clockwise is 5, counterclockwise 6
        tensor([[2, 4],
                [1, 3]])
    """
    return _mirrored(maps.transpose(-1, -2) if k & 4 else maps, k)


def undo_dihedral(maps: Tensor, k: int) -> Tensor:
    """What makes `dihedral(maps, k)` the maps again.

    Example:
        >>> import torch
        >>> maps = torch.arange(6).view(2, 3)
        >>> all(undo_dihedral(dihedral(maps, k), k).equal(maps) for k in range(8))
        True
    """
    maps = _mirrored(maps, k)
    return maps.transpose(-1, -2) if k & 4 else maps


def _mirrored(maps: Tensor, k: int) -> Tensor:
    axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if k & bit]
    return maps.flip(axes) if axes else maps
