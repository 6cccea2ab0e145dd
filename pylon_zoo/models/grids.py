"""Where the cells of a timm network's maps lie: by the table of timm's own architectures, or by a run of the network.

`benchmarks/cell_grids.py` writes the table and measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, tiling
from pylon_zoo.models.probing import measure_grids
from pylon_zoo.models.tracing import trace_grids

TABLE = "first_cells.csv"
# Options of timm's architectures that leave cells where they are.
HARMLESS = (
    "act_layer",
    "attn_drop_rate",
    "drop_block_rate",
    "drop_path_rate",
    "drop_rate",
    "dynamic_img_pad",
    "dynamic_img_size",
    "img_size",
    "norm_layer",
    "patch_drop_rate",
    "pos_drop_rate",
    "proj_drop_rate",
    "strict_img_size",
)


Run = Callable[[Tensor], Sequence[Tensor]]
"""Images (N, C, H, W) → maps (N, C', h, w)."""


class Level(NamedTuple):
    """One map of a network.

    Attributes:
        grid: of its cells, in pixels of the images.
        lacking: cells by which it falls short of side ÷ stride, vertically and horizontally; unpadded convolutions
            take them.
    """

    grid: CellGrid
    lacking: tuple[int, int] = (0, 0)


def tabled_levels(arch: str, strides: Sequence[int], options: Mapping[str, object]) -> list[Level] | None:
    """The levels of an architecture in the table; None for one that is not, or that an option may have changed.

    Args:
        arch: timm's name, without a tag.
        strides: of the levels, pixels per cell.
        options: what the architecture was built with.

    Example:
        >>> tabled_levels("resnet18", [32, 16], {})[0].grid
        CellGrid(first=(0.0, 0.0), step=(32.0, 32.0))
    """
    firsts = first_cells().get(arch, {})
    if not set(options) <= set(HARMLESS) or not set(strides) <= set(firsts):
        return None
    return [Level(CellGrid((firsts[one],) * 2, (float(one),) * 2)) for one in strides]


@cache
def first_cells() -> dict[str, dict[int, float]]:
    """timm's architectures → stride of a level → pixel of its first cell's centre, the same on both axes."""
    table: dict[str, dict[int, float]] = {}
    lines = (files("pylon_zoo.models") / TABLE).read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        levels, names = line.split(",")
        firsts = {int(stride): float(first) for stride, first in (level.split(":") for level in levels.split())}
        table |= dict.fromkeys(names.split(), firsts)
    return table


def found_levels(
    run: Run, images: Tensor, strides: Sequence[int], probed: Callable[[], Run] | None = None
) -> list[Level]:
    """The levels of any network: followed through its layers, or measured where that is lost.

    Args:
        run: images (N, C, H, W) → maps (N, C', h, w), in evaluation mode.
        images: (1, C, H, W) to run it with; what they show does not matter, small is fast.
        strides: of the maps.
        probed: makes what is measured in place of `run`, if it comes to that.

    Example:
        >>> found_levels(lambda x: [torch.nn.functional.max_pool2d(x, 3)], torch.zeros(1, 3, 32, 32), [3])
        [Level(grid=CellGrid(first=(1.0, 1.0), step=(3.0, 3.0)), lacking=(0, 0))]
    """
    cells: list[tuple[int, int]] = []

    def watched(images: Tensor) -> Sequence[Tensor]:
        maps = run(images)
        cells.extend((level.shape[2], level.shape[3]) for level in maps)
        return maps

    grids = found_grids(watched, images, probed)
    height, width = images.shape[2:]
    return [
        Level(grid, (height // stride - one[0], width // stride - one[1]))
        for grid, stride, one in zip(grids, strides, cells, strict=False)
    ]


def found_grids(run: Run, images: Tensor, probed: Callable[[], Run] | None = None) -> list[CellGrid]:
    """Where the cells of the maps of any network lie, as `found_levels` finds out.

    Args:
        run, images, probed: as there.

    Example:
        >>> found_grids(lambda x: [x[:, :, ::2, ::2]], torch.zeros(1, 3, 32, 32))
        [CellGrid(first=(0.0, 0.0), step=(2.0, 2.0))]
    """
    grids = trace_grids(run, images)
    found = [grid for grid in grids if grid is not None]
    if len(found) == len(grids):
        return found
    if images.is_meta:  # which has no numbers to measure with
        size = (images.shape[2], images.shape[3])
        with torch.no_grad():
            rest = [tiling((level.shape[2], level.shape[3]), size) for level in run(images)]
    else:
        rest = measure_grids(run if probed is None else probed(), images)
    return [other if grid is None else grid for grid, other in zip(grids, rest, strict=True)]
