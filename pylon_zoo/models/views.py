"""Several views of an image, such as its mirror image and its quarter turns, and the mean of what a model says of them.

A model that has seen enough says the same of an image and of its mirror image. Most do not quite: the mean of several
views points better than one, for as many times the work. Maps are averaged *in place*: a network's cells seldom lie
symmetrically in the image (`pylon_zoo.cells`), so a mirrored image's map that is only mirrored back is off by up to a
cell. Here each view's map is first brought onto cells that do lie symmetrically.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pylon_zoo.cells import CellGrid, positions, tiling
from pylon_zoo.models.around import ModelAround
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.layers import resample_like
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.options import as_pair
from pylon_zoo.models.viewpoints import VIEWS, View, check_views
from pylon_zoo.placements import check_placement
from pylon_zoo.symmetries import dihedral, undo_dihedral


def with_views(model: HeatmapModel, views: str = "none", placement: str = "exact") -> HeatmapModel:
    """A model that looks at several views of every image; the model itself for `"none"`.

    Args:
        model: whatever gives heatmaps.
        views: a key of `VIEWS`.
        placement: where the model's cells are taken to lie, as for `pylon_zoo.explain`; of `"paper"`'s tiles mirrored
            maps are mirrored back and no more.

    Returns:
        A module with the model's `forward_with_heatmap`, `cell_grid`, labels and description of the input.

    Raises:
        UnknownNameError: no such views.
        ConfigError: no such placement.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("pylon_test_resnet", num_classes=2).eval()
        >>> with_views(model, "none") is model
        True
        >>> with_views(model, "turns").forward_heatmap(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 2, 16, 24])
    """
    check_views(views)
    return model if views == "none" else ViewedClassifier(model, VIEWS[views], placement)


class ViewedClassifier(ModelAround):
    """A model in whose place `explain`, `evaluate` and `predict` put the mean over several views of each image.

    The mean heatmap is pooled to logits as the model pools its own. Where logits are no pooling of the heatmap
    (attribution methods, exported files, MLP heads) the views' logits are averaged.

    Args:
        model: whatever gives heatmaps.
        views: the first is the image itself; its map says how many cells the mean has.
        placement: as for `with_views`.

    Attributes:
        Those of the model that say how to use it.

    Raises:
        ConfigError: no such placement.
    """

    def __init__(self, model: HeatmapModel, views: tuple[View, ...], placement: str = "exact") -> None:
        super().__init__(model)
        check_placement(placement)
        self.views = views
        self.placement = placement
        self._cells: dict[tuple[int, int], tuple[int, int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        if self._pooling is not None:
            return self.forward_with_heatmap(x)[0]
        return _average([self.model(seen) for _, seen in self._seen(x)])

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Mean heatmaps (N, K, h, w), raw, in the image's own frame; `cell_grid` says where their cells lie.

        Args:
            x: normalised images (N, C, H, W). Of rectangles, quarter turns are W high and H wide.

        Raises:
            ConfigError: the model has no heatmap, or cannot take images of a view's size.
        """
        maps = (self.model.forward_heatmap(seen) for _, seen in self._seen(x))
        return self._mean(maps, x)

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and mean heatmaps (N, K, h, w), from one pass per view."""
        if self._pooling is not None:
            heatmap = self.forward_heatmap(x)
            return self._pooling(heatmap), heatmap
        outputs = [self.model.forward_with_heatmap(seen) for _, seen in self._seen(x)]
        return _average([logits for logits, _ in outputs]), self._mean((maps for _, maps in outputs), x)

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid | None:
        """Which pixels the mean heatmap's cells are centred on: the model's step, symmetric in the image.

        Args:
            size: pixels of the images, square or (H, W).

        Returns:
            The grid in pixels of the input; None where the cells tile the image.
        """
        size = as_pair("size", size)
        if size not in self._cells:
            like = next(self.model.parameters())
            with evaluating(self.model), torch.no_grad():
                found = self.model.forward_heatmap(like.new_zeros(1, self.in_chans, *size))
            self._cells[size] = (found.shape[2], found.shape[3])
        grid = self._model_grid(size)
        return None if grid is None else symmetric(grid, self._cells[size], size)

    @property
    def _pooling(self) -> nn.Module | None:
        """What makes the model's logits of its heatmap; None where they are made otherwise."""
        return self.model.pooling if isinstance(self.model, HeatmapClassifier) and self.has_heatmap else None

    def _model_grid(self, size: tuple[int, int]) -> CellGrid | None:
        return self.model.cell_grid(size) if self.placement == "exact" else None

    def _seen(self, x: Tensor) -> Iterator[tuple[View, Tensor]]:
        """Each view, and the images as it shows them."""
        for view in self.views:
            seen = dihedral(x, view.symmetry)
            if view.scale != 1:
                size = [round(side * view.scale) for side in seen.shape[2:]]
                larger = functional.interpolate(seen.float(), size, mode="bilinear", antialias=True)  # not in bfloat16
                seen = larger.to(seen.dtype)
            yield view, seen

    def _mean(self, maps: Iterator[Tensor], x: Tensor) -> Tensor:
        """The mean of the views' maps, each put back to where the image has it."""
        size = (x.shape[2], x.shape[3])
        first = next(maps)
        cells = self._cells[size] = (first.shape[2], first.shape[3])
        target = symmetric(self._model_grid(size) or tiling(cells, size), cells, size)
        total = self._put_back(first, self.views[0], target, cells, size)
        for view, one in zip(self.views[1:], maps, strict=True):
            total = total + self._put_back(one, view, target, cells, size)
        return total / len(self.views)

    def _put_back(
        self, maps: Tensor, view: View, target: CellGrid, cells: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        """One view's maps on the target's cells of the image."""
        if view.symmetry & 4:
            size, cells = size[::-1], cells[::-1]
            target = CellGrid(target.first[::-1], target.step[::-1])
        seen = (round(size[0] * view.scale), round(size[1] * view.scale))
        own = self._model_grid(seen) or tiling((maps.shape[2], maps.shape[3]), seen)
        places = positions(target, among=own.scaled(seen, size))
        if tuple(maps.shape[2:]) != cells or not all(_are_the_cells(*place) for place in places):
            maps = resample_like(maps, maps.new_empty(1, 1, *cells), places)
        return undo_dihedral(maps, view.symmetry)


def _average(tensors: Sequence[Tensor]) -> Tensor:
    return sum(tensors[1:], tensors[0]) / len(tensors)


def symmetric(grid: CellGrid, cells: tuple[int, int], size: tuple[int, int]) -> CellGrid:
    """A grid of the same steps whose outermost cells are equally far from the image's edges.

    Args:
        grid: its steps are kept.
        cells: (h, w), how many there are.
        size: (H, W) of the image in pixels.

    Example:
        >>> symmetric(CellGrid((7.0, 0.0), (8.0, 8.0)), (4, 4), (32, 32))
        CellGrid(first=(3.5, 3.5), step=(8.0, 8.0))
    """
    down, across = (
        (side - 1 - step * (count - 1)) / 2 for side, step, count in zip(size, grid.step, cells, strict=True)
    )
    return CellGrid((down, across), grid.step)


def _are_the_cells(first: float, step: float) -> bool:
    """Whether cells that lie there among others are those others, but for rounding."""
    return abs(first) < 1e-6 and abs(step - 1) < 1e-6
