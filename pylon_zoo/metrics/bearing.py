"""Which way heatmaps point beside their findings, and whether one place speaks whatever the image."""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, tiling
from pylon_zoo.metrics.outcomes import Outcomes
from pylon_zoo.metrics.result import MetricResult

POINTING = ("offset_down", "offset_right", "median_down", "median_right", "same_place", "same_place_boxes")
"""The results of `pointing`."""


def pointing(outcomes: Outcomes, classes: int) -> dict[str, MetricResult]:
    """How the peaks of each class lie to their boxes, and to each other.

    - `offset_down`, `offset_right`: mean over images of where the heatmap's peak lies seen from the centre of the
      nearest box, in pixels that boxes and heatmaps were judged at; above 0 is below, or right of, the centre. Near 0
      for a map that points at its findings; a map drawn half a cell beside what it saw has that half cell here.
    - `median_down`, `median_right`: their medians, which a few peaks far away do not move.
    - `same_place`: the largest share of images whose peaks lie in one and the same cell of the heatmap: 1 for a map
      that always says the same place. A peak belongs to the cell whose centre is nearest, so places are squares of the
      cells' step.
    - `same_place_boxes`: that share for the centres of those nearest boxes, what `same_place` would be for a map that
      is right. A `same_place` far above it means that a cell speaks whatever the image shows.

    Args:
        outcomes: of `PairMetric.judge`.
        classes: K.

    Returns:
        Name in `POINTING` → (K,) float64 values, NaN for a class without a box; support is the number of images with
        one.

    Example:
        >>> from pylon_zoo.metrics import PointAccuracy
        >>> says_top_right = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).repeat(2, 1, 1, 1)  # of both images of 4 x 4 pixels
        >>> boxes = [torch.tensor([[0.0, 3, 0, 3, 2]]), torch.tensor([[0.0, 0, 0, 2, 0]])]
        >>> found = pointing(PointAccuracy(1, (4, 4)).judge(says_top_right, boxes), 1)
        >>> [(name, found[name].macro) for name in ("offset_down", "offset_right", "same_place", "same_place_boxes")]
        [('offset_down', -0.5), ('offset_right', 1.0), ('same_place', 1.0), ('same_place_boxes', 0.5)]
    """
    known = ~outcomes.offsets.isnan().any(dim=1)
    values = torch.full((len(POINTING), classes), torch.nan, dtype=torch.float64)
    support = torch.zeros(classes, dtype=torch.int64)
    for label in range(classes):
        mine = known & (outcomes.labels == label)
        count = support[label] = int(mine.sum())
        if count:
            offsets = outcomes.offsets[mine].double()
            # The middle of two where their number is even, which Tensor.median does not take.
            middles = offsets.quantile(0.5, dim=0)
            shares = [place.unique(return_counts=True)[1].max() / count for place in outcomes.places[mine].unbind(1)]
            values[:, label] = torch.stack([*offsets.mean(0), *middles, *shares])
    return {name: MetricResult(name, one, support.clone()) for name, one in zip(POINTING, values, strict=True)}


def bearings(
    peaks: Tensor, boxes: Tensor, owner: Tensor, size: tuple[int, int], cells: tuple[int, int], grid: CellGrid | None
) -> tuple[Tensor, Tensor]:
    """Where the peaks of maps lie.

    The nearest box is the one that holds the peak or is the fewest pixels from it; of several that do, the one with the
    nearest centre.

    Args:
        peaks: (P,) int64, flat index of each map's brightest pixel.
        boxes: (B, 4) x0, y0, x1, y1 of all maps' findings.
        owner: (B,) int64, which of the P maps each box belongs to.
        size: (H, W) in pixels.
        cells: (h, w) of the heatmaps.
        grid: of the cells in pixels, see `pylon_zoo.cells.to_pixels`.

    Returns:
        offsets (P, 2) float32, vertical and horizontal pixels from the centre of the nearest box to the peak; places
        (P, 2) int64, flat index of the cell nearest to the peak, and to that centre.
    """
    peaks = torch.stack([peaks // size[1], peaks % size[1]], dim=1).float()
    low, high = boxes[:, [1, 0]], boxes[:, [3, 2]]
    points, centres = peaks[owner], (low + high) / 2
    away = (points - points.clamp(min=low, max=high)).square().sum(dim=1)
    away = torch.where(
        away == _least(away, owner, len(peaks))[owner], (points - centres).square().sum(dim=1), torch.inf
    )
    nearest = (away == _least(away, owner, len(peaks))[owner]).nonzero().flatten()
    found = torch.full_like(peaks, torch.nan)
    found[owner[nearest.flip(0)]] = centres[nearest.flip(0)]  # of equals the first, on the CPU
    grid = grid or tiling(cells, size)
    places = torch.stack([_cell(one.nan_to_num(), cells, grid) for one in (peaks, found)], dim=1)
    return peaks - found, places


def _least(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """The smallest of each owner's values, (count,)."""
    return values.new_full((count,), torch.inf).scatter_reduce(0, owner, values, "amin")


def _cell(points: Tensor, cells: tuple[int, int], grid: CellGrid) -> Tensor:
    """Flat index of the cell whose centre is nearest to each point (P, 2)."""
    rows, columns = (
        ((points[:, axis] - grid.first[axis]) / grid.step[axis]).round().long().clamp(0, cells[axis] - 1)
        for axis in (0, 1)
    )
    return rows * cells[1] + columns
