"""Which pixels the cells of any network's maps are centred on, measured with gradients.

Slower than following the layers (`pylon_zoo.models.tracing`) and noisy, but it assumes nothing about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, Pair, tiling

ROUGH_PROBES = 4


class Measured(NamedTuple):
    """Where the cells of one map were found.

    Attributes:
        first: (vertical, horizontal) centre of the first cell, in pixels.
        error: the standard error of both.
    """

    first: Pair
    error: Pair


def measure_firsts(
    run: Callable[[Tensor], Sequence[Tensor]],
    images: Tensor,
    steps: Sequence[Pair],
    probes: int = 8,
    seed: int = 0,
) -> list[Measured]:
    """The centres of the first cells of a network's maps.

    A probe is an image of noise, a random direction in a map's channels, and a cell: the centroid of the squared
    gradient of that cell with respect to the image, less its steps to the first cell. A few rough probes say which
    cells lie around the middle of the image; the others take those on either side of it, so that what the borders cut
    off on one side they cut off on the other.

    Args:
        run: images (1, C, H, W) → maps (1, C', h, w), in evaluation mode.
        images: (1, C, H, W) of the kind it takes; what they show does not matter.
        steps: of each map, pixels per cell, vertical and horizontal.
        probes: how many beside the rough ones, at least 2.
        seed: of the noise.

    Returns:
        For each map the mean over the probes.

    Example:
        >>> pool = torch.nn.AvgPool2d(4)
        >>> [found] = measure_firsts(lambda x: [pool(x)], torch.zeros(1, 1, 64, 64), [(4.0, 4.0)])
        >>> [round(at, 3) for at in found.first]
        [1.5, 1.5]
    """
    noise = torch.Generator().manual_seed(seed)
    rough = [((down - 1) / 2, (across - 1) / 2) for down, across in steps]
    for count in (ROUGH_PROBES, probes):
        found: list[list[Pair]] = [[] for _ in steps]
        for number in range(count):
            probe = torch.randn(images.shape, generator=noise, device="cpu").to(images).requires_grad_()
            with torch.enable_grad():
                maps = run(probe)
            for places, level, step, first in zip(found, maps, steps, rough, strict=True):
                cell = [
                    _middle_cell((side - 1) / 2, first[axis], step[axis], level.shape[2 + axis], (number + 0.5) / count)
                    for axis, side in enumerate(images.shape[2:])
                ]
                channels = torch.randn(level.shape[1], generator=noise, device="cpu").to(level)
                spoken = level[0, :, cell[0], cell[1]] @ channels
                (gradient,) = torch.autograd.grad(spoken, probe, retain_graph=True)
                down, across = centroid(gradient[0].square().sum(dim=0))
                places.append((down - step[0] * cell[0], across - step[1] * cell[1]))
        measured = [_mean(places) for places in found]
        rough = [one.first for one in measured]
    return measured


def _middle_cell(middle: float, first: float, step: float, cells: int, share: float) -> int:
    """One of the two cells around a place; the nearer one as much more often as keeps the mean over `share` on it."""
    at = (middle - first) / step
    return min(max(floor(at) + int(share < at - floor(at)), 0), cells - 1)


@torch.no_grad()
def draw_weights(model: nn.Module, noise: torch.Generator) -> None:
    """Give a network weights of noise, in place, to measure what its layers do rather than what it learnt.

    Kernels and matrices are normal with the inverse of their inputs' number as variance; normalisations and scales lie
    between ½ and 1½, so that no branch is silent.

    Args:
        model: whatever; biases stay.
        noise: where the numbers come from.
    """
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, parameter[0].numel() ** -0.5, generator=noise)
        elif not name.endswith("bias"):
            parameter.uniform_(0.5, 1.5, generator=noise)


def centroid(weights: Tensor) -> Pair:
    """(vertical, horizontal) centre of mass of weights (H, W), in pixels.

    Example:
        >>> centroid(torch.tensor([[0.0, 1.0, 1.0]]))
        (0.0, 1.5)
    """
    weights = weights.double()
    down, across = (torch.arange(length, dtype=weights.dtype, device=weights.device) for length in weights.shape)
    total = weights.sum()
    return float((weights.sum(1) * down).sum() / total), float((weights.sum(0) * across).sum() / total)


def measure_grids(run: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[CellGrid]:
    """`measure_firsts` for maps whose cells are the image's side ÷ the map's apart, as grids, to a quarter of a pixel.

    Args:
        run, images: as there.
    """
    size = (images.shape[2], images.shape[3])
    with torch.no_grad():
        steps = [tiling((level.shape[2], level.shape[3]), size).step for level in run(images)]
    found = measure_firsts(run, images, steps)
    return [CellGrid(_quarters(one.first), step) for one, step in zip(found, steps, strict=True)]


def _quarters(pair: Pair) -> Pair:
    return round(4 * pair[0]) / 4, round(4 * pair[1]) / 4


def _mean(places: Sequence[Pair]) -> Measured:
    table = torch.tensor(places, dtype=torch.float64)
    error = table.std(dim=0) / sqrt(len(places))
    return Measured(tuple(table.mean(dim=0).tolist()), tuple(error.tolist()))
