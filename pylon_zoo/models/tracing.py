"""Which pixels the cells of any network's maps are centred on, read off one run of it.

While the network runs, every operation is watched. A convolution, a pooling or a padding moves the centres by simple
arithmetic; where branches meet, their centres are averaged; attention mixes all places and says nothing. What layers
do with tokens and channels-last maps is followed through their reshaping.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from pylon_zoo.cells import CellGrid, Pair, both, tiling

aten = torch.ops.aten
NCHW, NHWC = (2, 3), (1, 2)
MOST_LACKING = 5  # cells that unpadded convolutions take off a map


@dataclass(frozen=True)
class Track:
    """What is known of a tensor's cells.

    Args:
        grid: of the cells, in pixels of the image.
        size: (h, w), how many cells; the tensor may hold them in another shape.
        axes: which of the tensor's axes they are, where they are two.
        sure: False behind an attention, whose result speaks of all places: such a track counts where there is no other.
    """

    grid: CellGrid
    size: tuple[int, int]
    axes: tuple[int, int] | None = NCHW
    sure: bool = True


class GridTrace(TorchDispatchMode):
    """Watches a network run on images, and tells where the cells of any of its tensors lie.

    Args:
        images: (N, C, H, W), what the network is about to be given.

    Example:
        >>> images = torch.zeros(1, 3, 64, 64)
        >>> with GridTrace(images) as trace:
        ...     maps = torch.nn.Conv2d(3, 4, kernel_size=3, stride=2, padding=1)(images)
        >>> trace.grid_of(maps)
        CellGrid(first=(0.0, 0.0), step=(2.0, 2.0))
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's, which types only its ends
        self.tracks: MutableMapping[Tensor, Track] = WeakIdKeyDictionary()
        self._by_size: dict[tuple[int, int], Track] = {}
        self.images = len(images)
        size = both(images.shape[2:])
        self._keep(images, Track(tiling(size, size), size))

    def grid_of(self, maps: Tensor) -> CellGrid | None:
        """Where the cells of a tensor lie, in pixels of the images; None where that was lost on the way."""
        track = self.track_of(maps)
        return None if track is None else track.grid

    def track_of(self, maps: Any) -> Track | None:
        """A map's track; of one whose track was lost, that of the last map of as many cells."""
        track = self.tracks.get(maps) if isinstance(maps, Tensor) else None
        if track is None and isinstance(maps, Tensor) and maps.ndim == 4:
            for axes in (NCHW, NHWC):
                known = self._by_size.get(both(maps.shape[axis] for axis in axes))
                if known is not None:
                    return replace(known, axes=axes, sure=False)
        return track

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and work out where the cells of what it gives lie."""
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, (tuple, list)) and out else out
        if isinstance(first, Tensor):
            rule: Rule = RULES.get(func.overloadpacket, _meet)
            track = rule(self, func, args, kwargs or {}, first)
            if track is not None:
                for each in out if isinstance(out, (tuple, list)) else (out,):
                    if isinstance(each, Tensor):
                        self._keep(each, _placed(track, each, self.images))
        return out

    def _keep(self, tensor: Tensor, track: Track) -> None:
        self.tracks[tensor] = track
        if track.axes is not None and (track.sure or track.size not in self._by_size):
            self._by_size[track.size] = track


def _placed(track: Track, tensor: Tensor, images: int) -> Track:
    """A track with the axes that the cells have in a tensor made by reshaping, and merged cells where it merges some.

    Patch merging gives every group of r × r neighbours as the channels of one cell.
    """
    if track.axes is not None:
        return track
    if tensor.ndim != 4:
        return track
    for axes in (NCHW, NHWC):
        if tuple(tensor.shape[axis] for axis in axes) == track.size:
            return replace(track, axes=axes)
    for axes in (NCHW, NHWC):
        cells = both(tensor.shape[axis] for axis in axes)
        times, rest = divmod(track.size[0], max(cells[0], 1))
        if times > 1 and not rest and track.size[1] == times * cells[1] and len(tensor) == images:
            return Track(_merged(track.grid, (times, times)), cells, axes, track.sure)
    return track


def _merged(grid: CellGrid, times: Pair) -> CellGrid:
    """The grid whose cells are groups of `times` of the old ones, whole or not."""
    first = both(a + s * (t - 1) / 2 for a, s, t in zip(grid.first, grid.step, times, strict=True))
    return CellGrid(first, both(s * t for s, t in zip(grid.step, times, strict=True)))


def _regrouped(track: Track, out: Tensor) -> Track:
    """A track after an operation that spreads the same area over another number of cells (N, C, h, w)."""
    cells = both(out.shape[2:])
    times = both(whole / part for whole, part in zip(track.size, cells, strict=True))
    return Track(_merged(track.grid, times), cells, NCHW, track.sure)


def _moved(track: Track, shift: Sequence[float], stride: Sequence[float], out: Tensor) -> Track:
    """A track after an operation that puts its first cell `shift` cells further and the others `stride` cells apart."""
    grid = track.grid
    first = both(a + s * by for a, s, by in zip(grid.first, grid.step, shift, strict=True))
    step = both(s * by for s, by in zip(grid.step, stride, strict=True))
    axes = track.axes or NCHW
    return Track(CellGrid(first, step), both(out.shape[axis] for axis in axes), axes, track.sure)


def _pair(value: Any) -> tuple[Any, Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return (values[0], values[-1]) if values else (None, None)


Rule = Callable[[GridTrace, Any, Sequence[Any], dict[str, Any], Tensor], Track | None]
RULES: dict[Any, Rule] = {}


def _rule(*packets: Any) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        for packet in packets:
            RULES[packet] = rule
        return rule

    return add


def _named(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an operation by name, defaults included."""
    names = [argument.name for argument in func._schema.arguments]
    given = {argument.name: argument.default_value for argument in func._schema.arguments}
    return given | dict(zip(names, args, strict=False)) | kwargs


@_rule(aten.convolution, aten.conv2d, aten._convolution, aten.convolution_overrideable)
def _convolution(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    said = _named(func, args, kwargs)
    weight, track = said["weight"], trace.track_of(said["input"])
    if weight.ndim != 4 or track is None:
        return track
    kernel, stride, padding, dilation = (
        weight.shape[2:],
        *map(_pair, (said["stride"], said["padding"], said["dilation"])),
    )
    reach = [d * (k - 1) / 2 - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
    if said.get("transposed"):
        return _moved(track, [-by / s for by, s in zip(reach, stride, strict=True)], [1 / s for s in stride], out)
    return _moved(track, reach, stride, out)


@_rule(aten.max_pool2d, aten.max_pool2d_with_indices, aten.avg_pool2d)
def _pooling(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    said = _named(func, args, kwargs)
    track = trace.track_of(said["self"])
    if track is None:
        return None
    kernel, padding, dilation = (_pair(said.get(name, 1)) for name in ("kernel_size", "padding", "dilation"))
    stride = _pair(said["stride"]) if said["stride"] else kernel
    reach = [d * (k - 1) / 2 - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
    return _moved(track, reach, stride, out)


@_rule(aten.constant_pad_nd, aten.reflection_pad2d, aten.replication_pad2d, aten.pad)
def _padding(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track = trace.track_of(args[0])
    if track is None or track.axes is None:
        return track
    before = [0] * out.ndim
    for position, amount in enumerate(list(args[1])[::2]):
        before[out.ndim - 1 - position] = amount
    return _moved(track, [-before[axis] for axis in track.axes], (1, 1), out)


@_rule(aten.adaptive_avg_pool2d, aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d)
def _adaptive(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track = trace.track_of(args[0])
    if track is None or out.shape[2:] == (1, 1):
        return None
    return _regrouped(track, out)


@_rule(aten.upsample_nearest2d, aten.upsample_bilinear2d, aten.upsample_bicubic2d, aten._upsample_bilinear2d_aa)
def _resizing(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track = trace.track_of(args[0])
    if track is None:
        return None
    if _named(func, args, kwargs).get("align_corners"):
        sizes = zip(track.size, out.shape[2:], strict=True)
        return _moved(track, (0, 0), [(a - 1) / max(b - 1, 1) or 1 for a, b in sizes], out)
    return _regrouped(track, out)


@_rule(aten.slice)
def _slicing(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    said = _named(func, args, kwargs)
    track = trace.tracks.get(said["self"])
    axis = said["dim"] % said["self"].ndim
    if track is None or track.axes is None or axis not in track.axes:
        return track
    length, start, step = said["self"].shape[axis], said["start"] or 0, said["step"] or 1
    start = min(start + length if start < 0 else start, length)
    which = track.axes.index(axis)
    return _moved(track, [start * (i == which) for i in (0, 1)], [step if i == which else 1 for i in (0, 1)], out)


@_rule(aten.pixel_unshuffle, aten.pixel_shuffle)
def _shuffling(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track = trace.track_of(args[0])
    if track is None:
        return None
    return _regrouped(track, out)


@_rule(aten.permute, aten.transpose, aten.t)
def _permuting(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track, given = trace.tracks.get(args[0]), args[0]
    if track is None or track.axes is None:
        return track
    order = list(range(given.ndim))
    if func.overloadpacket is aten.permute:
        order = [axis % given.ndim for axis in args[1]]
    elif func.overloadpacket is aten.transpose:
        a, b = args[1] % given.ndim, args[2] % given.ndim
        order[a], order[b] = order[b], order[a]
    axes = both(order.index(axis) for axis in track.axes)
    return replace(track, axes=axes if axes == tuple(sorted(axes)) else None)


@_rule(aten.view, aten._unsafe_view, aten.reshape, aten.unsqueeze, aten.squeeze, aten.expand, aten.select, aten.unbind)
def _reshaping(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    track = trace.tracks.get(args[0])
    if track is not None:
        return replace(track, axes=None)
    # Tokens that come out of an attention alone, laid out as a map again.
    tokens = args[0].ndim == 3 and out.ndim == 4 and len(args[0]) == len(out) == trace.images
    return trace.track_of(out) if tokens else None


@_rule(
    aten.bmm, aten.baddbmm, aten._scaled_dot_product_flash_attention_for_cpu, aten._scaled_dot_product_attention_math
)
def _mixing(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    return None


def _meet(trace: GridTrace, func: Any, args: Any, kwargs: Any, out: Tensor) -> Track | None:
    """Of everything else: the largest input, and others of as many cells, averaged where they differ."""
    given = [(each.numel(), trace.tracks.get(each)) for each in tree_leaves(args) if isinstance(each, Tensor)]
    known = [(numbers, track) for numbers, track in given if track is not None]
    if not known:
        return None
    _, largest = max(known, key=lambda one: one[0])
    tracks = [track for _, track in known if track.size == largest.size]
    tracks = [track for track in tracks if track.sure] or tracks
    axes = next((track.axes for track in tracks if track.axes is not None), None)
    if axes is not None and (out.ndim != 4 or tuple(out.shape[axis] for axis in axes) != tracks[0].size):
        axes = None
    grids = [track.grid for track in tracks]
    first = both(sum(grid.first[axis] for grid in grids) / len(grids) for axis in (0, 1))
    return Track(CellGrid(first, grids[0].step), tracks[0].size, axes, tracks[0].sure)


def trace_grids(run: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[CellGrid | None]:
    """Where the cells of the maps that a network makes of images lie.

    Args:
        run: images → maps (N, C', h, w), of any number; runs once, without gradients.
        images: (N, C, H, W); on PyTorch's meta device no numbers are computed.

    Returns:
        For each map its grid in pixels of the images, to a thousandth; None where it was lost on the way.

    Example:
        >>> trace_grids(lambda x: [torch.nn.functional.avg_pool2d(x, 4)], torch.zeros(1, 3, 64, 64))
        [CellGrid(first=(1.5, 1.5), step=(4.0, 4.0))]
    """
    with torch.no_grad(), GridTrace(images) as trace:
        maps = run(images)
    found = zip(map(trace.grid_of, maps), maps, strict=True)
    return [_rounded(grid) if grid is not None and _covers(grid, level, images) else None for grid, level in found]


def _covers(grid: CellGrid, level: Tensor, images: Tensor) -> bool:
    """Whether a map's cells at the steps of a grid are as many as the image has room for, or hardly fewer.

    Where they are not, a layer made another map of this one in a way that left no trace.
    """
    return all(
        -1 < side / step - cells < MOST_LACKING + 1
        for side, step, cells in zip(images.shape[2:], grid.step, level.shape[2:], strict=True)
    )


def _rounded(grid: CellGrid) -> CellGrid:
    first, step = (both(round(value, 3) for value in pair) for pair in (grid.first, grid.step))
    return CellGrid(first, step)
