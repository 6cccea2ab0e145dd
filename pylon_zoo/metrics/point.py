"""Does the brightest pixel of a class's heatmap lie in, or near, a box of that class?"""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, between_centres
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics import pairs as shared
from pylon_zoo.metrics.geometry import peak_pixels, upsample
from pylon_zoo.metrics.pairs import PairMetric, Pairs

TIES = ("first", "any", "expected")
"""What counts where several pixels share the maximum; see `PointAccuracy`."""


class PointAccuracy(PairMetric):
    """Share of (image, class) pairs whose heatmap peaks inside a box of the class, as the paper measures it.

    For every image and every class that has a box in it: the heatmap goes through `activation`, then bilinearly
    to `size`; its maximum is a hit when it lies in *any* of the class's boxes, borders
    included. Images without a box of a class say nothing about that class. (Preechakul et al. 2022, "point
    localization accuracy".) With masks instead of boxes this is CheXlocalize's hit rate.

    Ties: by default the first maximum in raster order counts (top row first, then left to right), computed in float32.
    A float32 sigmoid makes ties where logits exceed about 17, so maps that confident are judged by their top-left
    brightest pixel; `activation=None` judges the logits themselves.

    Only counts are kept, so memory is flat in the number of images, and only maps that have a box are upsampled.

    Args:
        num_classes: K.
        size: (H, W) in pixels, the size of the image that the boxes are drawn on.
        activation: `"sigmoid"` as in the paper, `"softmax"` over the classes, or None for the raw heatmap.
        ties: `"first"` as in the paper's code; `"any"`: a hit if any of the equal pixels is inside; `"expected"`: the
            share of them that is inside, the expectation of choosing one at random. The last two do not depend on
            which way the picture is read, except where upsampling rounds equal values apart.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: unknown activation or ties, or a size or class count below 1.

    Example:
        >>> metric = PointAccuracy(num_classes=1, size=(4, 4))
        >>> metric.update(torch.eye(2).view(1, 1, 2, 2), [torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])])
        >>> metric.compute().macro
        1.0
    """

    name = "point_accuracy"

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        ties: str = "first",
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        if ties not in TIES:
            raise ConfigError(f"ties={ties!r} is not one of {', '.join(TIES)}.")
        self.ties = ties

    @property
    def hits(self) -> Tensor:
        """(K,) float64: hits so far, whole numbers unless ties are `"expected"`."""
        return self.total

    def score(self, pairs: Pairs) -> Tensor:
        """1 for a hit and 0 for a miss, (P,)."""
        if self.ties == "first":
            return inside(pairs, pairs.peaks)
        maps, truth = pairs.flat
        brightest = maps == maps.amax(dim=1, keepdim=True)
        within = (brightest & truth).sum(dim=1)
        return within / brightest.sum(dim=1) if self.ties == "expected" else (within > 0).float()


class HitRate(PointAccuracy):
    """Share of (image, class) pairs whose heatmap peaks on the finding itself: point accuracy by masks.

    The peak must be a pixel of the class's mask; where there is no mask it is point accuracy. (Saporta et al. 2022,
    CheXlocalize's "hit rate".) Options are those of `PointAccuracy`.

    Example:
        >>> metric = HitRate(num_classes=1, size=(2, 2))
        >>> metric.update(torch.eye(2).view(1, 1, 2, 2), torch.eye(2, dtype=torch.bool).view(1, 1, 2, 2))
        >>> metric.compute().macro
        1.0
    """

    name = "hit_rate"
    by_masks = True


class PointingGame(PairMetric):
    """Pointing game with a tolerance: a hit when a disc around the peak touches the box or mask of the class.

    The disc is the pixels with dx² + dy² < tolerance² of the first maximum in raster order; the box is the pixels whose
    centre lies in it, borders included. (Zhang et al. 2018, "Top-down neural attention by excitation backprop", as in
    TorchRay's `PointingGame`.)

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`.
        tolerance: radius in pixels, greater than 0; 1 is the peak alone.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, or a tolerance of 0 or less.

    Example:
        >>> metric = PointingGame(num_classes=1, size=(4, 4), tolerance=2)
        >>> metric.update(torch.eye(2).view(1, 1, 2, 2), [torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]])])
        >>> metric.compute().macro
        1.0
    """

    name = "pointing_game"

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        tolerance: float = 15,
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        if tolerance <= 0:
            raise ConfigError(f"tolerance={tolerance} would let nothing be a hit; give a radius above 0 pixels.")
        self.tolerance = tolerance

    def score(self, pairs: Pairs) -> Tensor:
        """1 for a hit and 0 for a miss, (P,)."""
        return (squared_distance(pairs, pairs.peaks) < self.tolerance**2).float()


def inside(pairs: Pairs, pixels: Tensor) -> Tensor:
    """Whether each pair's pixel (flat index, (P,)) is in its region: (P,) float32 of 1 and 0."""
    if pairs.masks is not None:
        return pairs.masks.flatten(1).gather(1, pixels.unsqueeze(1)).squeeze(1).float()
    width = pairs.maps.shape[2]
    columns, lines = (pixels % width)[pairs.owner], (pixels // width)[pairs.owner]
    x0, y0, x1, y1 = pairs.boxes.unbind(1)
    held = (x0 <= columns) & (columns <= x1) & (y0 <= lines) & (lines <= y1)
    hits = torch.zeros(len(pixels), device=pixels.device)
    hits[pairs.owner[held]] = 1.0
    return hits


def squared_distance(pairs: Pairs, pixels: Tensor) -> Tensor:
    """From each pair's pixel (flat index, (P,)) to the nearest pixel of its region: (P,) float32, infinite if none."""
    height, width = pairs.maps.shape[1:]
    columns, lines = pixels % width, pixels // width
    if pairs.masks is not None:
        across = (torch.arange(width, device=pixels.device) - columns.unsqueeze(1)).square()
        down = (torch.arange(height, device=pixels.device) - lines.unsqueeze(1)).square()
        squared = (down.unsqueeze(2) + across.unsqueeze(1)).float()
        return squared.masked_fill(~pairs.masks, float("inf")).flatten(1).amin(dim=1)
    low = pairs.boxes[:, :2].ceil().clamp(min=0)
    high = torch.minimum(pairs.boxes[:, 2:].floor(), torch.tensor([width - 1, height - 1], device=pixels.device))
    points = torch.stack([columns, lines], dim=1)[pairs.owner].float()
    nearest = (points - points.clamp(min=low, max=high)).square().sum(dim=1)
    nearest = nearest.masked_fill((low > high).any(dim=1), float("inf"))
    distances = torch.full((len(pixels),), float("inf"), device=pixels.device)
    return distances.scatter_reduce(0, pairs.owner, nearest, "amin")


def peak_indices(maps: Tensor, size: tuple[int, int], grid: CellGrid | None = None) -> Tensor:
    """Where each map is brightest once bilinearly upsampled, first in raster order among equals.

    Args:
        maps: (P, h, w) floating point.
        size: (H, W) to upsample to.
        grid: of the cells, see `pylon_zoo.cells.to_pixels`.

    Returns:
        (P,) int64 flat indices `row * W + column`.

    Raises:
        DataError: a map holds NaN or infinity.

    Example:
        >>> peak_indices(torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]), (4, 4))
        tensor([3])
    """
    at_once = max(1, shared.PIXELS_AT_ONCE // (size[0] * size[1]))
    peaks = [torch.zeros(0, dtype=torch.int64, device=maps.device)]
    window = between_centres((maps.shape[1], maps.shape[2]), size, grid)
    peaks += [peak_pixels(upsample(chunk, size, grid), window) for chunk in maps.split(at_once) if len(chunk)]
    return torch.cat(peaks)
