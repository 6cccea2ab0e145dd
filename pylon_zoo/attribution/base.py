"""What every attribution is: a classifier and a layer of it, turned into class heatmaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pylon_zoo.attribution.capture import Capture, capture, gradients, outputs_of
from pylon_zoo.attribution.layers import LayerLike, Layers, default_layer, find_layers
from pylon_zoo.attribution.layout import Layout, check_layout, hints_of, layout_of
from pylon_zoo.cells import CellGrid, both, positions, to_pixels
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.grids import found_grids
from pylon_zoo.models.layers import without_autocast
from pylon_zoo.models.modes import evaluating
from pylon_zoo.placements import check_placement


class Attribution:
    """Class heatmaps of any classifier from the maps of one of its layers and the logits' gradients there.

    All classes come from one forward pass; what lies below the layer is never run backward. The model runs in
    evaluation mode and is left as it was: modes, hooks, `requires_grad`, `.grad`. Works inside `torch.no_grad()`,
    `torch.inference_mode()` and autocast, and on frozen models. A method overrides `maps`, and `combine` if it takes
    several layers.

    Args:
        model: a classifier, images (N, C, H, W) → logits (N, K): of this library, timm, torchvision, or your own.
        layer: dotted name, module, or several of either; None is the layer of
            `pylon_zoo.attribution.layers.default_layer`, found with the first images. Layers inside the `encoder` of
            this library's models see the image with its padding (`Backbone`), so their maps may reach beyond it.
        relu: False leaves maps, and Grad-CAM++'s gradients, signed, as in the PYLON paper; True is the methods' own
            papers' way.
        layout: `"NCHW"`, `"NHWC"` or `"tokens"` (N, L, C), how the layer's output lies; None recognises it
            (`pylon_zoo.attribution.layout.recognise`).
        placement: how maps of several layers are brought onto each other: `"exact"` is by the pixels that their cells
            look at, `"paper"` as tiles of the image, as the methods' papers and other packages do.

    Raises:
        UnknownNameError: an unknown layer or layout.
        ConfigError: a module from elsewhere, the wrong number of layers, or no such placement.

    Example:
        >>> class Saliency(Attribution):
        ...     def maps(self, activations, gradients):
        ...         return gradients.abs().amax(dim=2)
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten())
        >>> Saliency(model, "0")(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 4, 6, 6])
    """

    min_layers = 1
    max_layers: int | None = 1

    def __init__(
        self,
        model: nn.Module,
        layer: LayerLike | Sequence[LayerLike] | None = None,
        *,
        relu: bool = False,
        layout: str | None = None,
        placement: str = "exact",
    ) -> None:
        check_layout(layout)
        check_placement(placement)
        self.model = model
        self.relu = relu
        self.layout = layout
        self.placement = placement
        self._layers: Layers | None = None if layer is None else find_layers(model, layer)
        self._cells: dict[tuple[int, int], list[LayerCells]] = {}
        self._check_count(1 if self._layers is None else len(self._layers))

    def __call__(self, images: Tensor, classes: Sequence[int] | None = None) -> Tensor:
        """Heatmaps of classes.

        Args:
            images: normalised images (N, C, H, W), on the model's device.
            classes: indices of classes, in the order wanted; None is all K.

        Returns:
            (N, number of classes, h, w) float32, at the layer's own resolution, the largest of several; on the device
            of the images. Raw values in the units of logits, where the method does not say otherwise.

        Raises:
            ConfigError: images or classes that cannot be, a model that gives no logits (N, K), or a layer that gives no
                map or does not reach the logits.
        """
        return self.with_logits(images, classes)[1]

    def with_logits(self, images: Tensor, classes: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Logits (N, K) float32 of all classes, and the heatmaps of `__call__`, from one pass."""
        images = check_images(images)
        with torch.inference_mode(False), evaluating(self.model):
            images = images.clone() if images.is_inference() else images
            captured = capture(self.model, self.layers(images), images)
            with torch.no_grad(), without_autocast(images.device.type):
                return captured.logits.detach().float(), self._heatmaps(captured, images, classes)

    def layers(self, images: Tensor) -> Layers:
        """The layers looked at, by name; the default one is found with these images (N, C, H, W) and then kept."""
        if self._layers is None:
            self._layers = default_layer(self.model, images)
        return self._layers

    def cell_grid(self, images: Tensor) -> CellGrid | None:
        """Which pixels the heatmaps' cells are centred on, for `pylon_zoo.cells.to_pixels`.

        Args:
            images: (N, C, H, W) of the size asked for; what they show does not matter.

        Returns:
            The grid in pixels of the images, of several layers that of the largest map; None for methods whose maps
            are pixels already.
        """
        return _largest(self.layer_cells(images)).grid

    def layer_cells(self, images: Tensor) -> list[LayerCells]:
        """Where the cells of each layer's map lie for images of that size, found once per size."""
        size = (images.shape[2], images.shape[3])
        if size not in self._cells:
            self._cells[size] = self._find_cells(images)
        return self._cells[size]

    def _find_cells(self, images: Tensor) -> list[LayerCells]:
        layers = self.layers(images)
        shapes: dict[int, tuple[int, int]] = {}

        def run(images: Tensor) -> list[Tensor]:
            outputs = outputs_of(self.model, layers, images)
            layouts = zip(self._layouts(outputs, images), outputs.values(), strict=True)
            maps = [layout.to_map(output) for layout, output in layouts]
            shapes.update(enumerate((level.shape[2], level.shape[3]) for level in maps))
            return maps

        with torch.inference_mode(False), evaluating(self.model):
            grids = found_grids(run, torch.zeros_like(images[:1]))
        if isinstance(self.model, HeatmapClassifier) and list(layers) == ["features"]:
            grids = [self.model.cell_grid(both(images.shape[2:]))]  # which knows what its decoder does
        return [LayerCells(grid, shapes[place]) for place, grid in enumerate(grids)]

    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """The method's formula.

        Args:
            activations: what a layer gave, (N, C, h, w) float32.
            gradients: of K logits with respect to it, (N, K, C, h, w) float32.

        Returns:
            (N, K, h, w), before the rectification of `relu`.
        """
        raise NotImplementedError

    def combine(self, maps: list[Tensor], cells: Sequence[LayerCells] | None = None) -> Tensor:
        """One heatmap (N, K, h, w) from those of the layers.

        Args:
            maps: one per layer, each (N, K, h', w').
            cells: where each one's cells lie; None takes all for tiles of the image.
        """
        return maps[0]

    def _layouts(self, outputs: Mapping[str, Tensor], images: Tensor) -> list[Layout]:
        hints, size = hints_of(self.model), (images.shape[2], images.shape[3])
        return [layout_of(name, output.shape, size, hints, self.layout) for name, output in outputs.items()]

    def _heatmaps(self, captured: Capture, images: Tensor, classes: Sequence[int] | None) -> Tensor:
        chosen = check_classes(classes, captured.logits.shape[1])
        layouts = self._layouts(captured.outputs, images)
        cells = self.layer_cells(images) if len(layouts) > 1 and self.placement == "exact" else None
        activations = [
            layout.to_map(output).float() for layout, output in zip(layouts, captured.outputs.values(), strict=True)
        ]
        chunks = []
        for grads in gradients(captured, chosen):
            maps = [
                self.maps(activation, _per_image(layout, grad))
                for layout, activation, grad in zip(layouts, activations, grads, strict=True)
            ]
            chunks.append(self.combine([each.relu() for each in maps] if self.relu else maps, cells))
        return torch.cat(chunks, dim=1)

    def _check_count(self, count: int) -> None:
        if count < self.min_layers:
            raise ConfigError(
                f"{type(self).__name__} combines several layers and needs at least {self.min_layers}; give layer= as a "
                "list of names."
            )
        if self.max_layers is not None and count > self.max_layers:
            raise ConfigError(
                f"{type(self).__name__} looks at one layer and got {count}; give one, or use layer_cam or refine_cam, "
                "which combine several."
            )


def _per_image(layout: Layout, grads: Tensor) -> Tensor:
    """Gradients (K, N, …) in a layer's layout as (N, K, C, h, w) float32."""
    maps: Tensor = layout.to_map(grads.flatten(0, 1)).float().unflatten(0, grads.shape[:2])
    return maps.transpose(0, 1)


class LayerCells(NamedTuple):
    """The cells of one layer's map.

    Attributes:
        grid: where they lie, in pixels of the images.
        size: (h, w), how many.
    """

    grid: CellGrid
    size: tuple[int, int]


def _largest(cells: Sequence[LayerCells]) -> LayerCells:
    return max(cells, key=lambda one: one.size)


def resized_to_largest(maps: list[Tensor], cells: Sequence[LayerCells] | None = None) -> list[Tensor]:
    """Maps (N, K, h, w), all bilinearly resampled on the cells of the one with the most.

    Args:
        maps: of layers.
        cells: where each one's lie; None takes all for tiles of the image (`align_corners=False`).
    """
    if cells is None:
        size = tuple(max(sides) for sides in zip(*(each.shape[2:] for each in maps), strict=True))
        return [to_pixels(each, size) for each in maps]
    finest = _largest(cells)
    # A cell of the finest map is to another's what a pixel is to a cell.
    places = [positions(one.grid, among=finest.grid) for one in cells]
    grids = [CellGrid((down[0], across[0]), (down[1], across[1])) for down, across in places]
    return [to_pixels(each, finest.size, grid) for each, grid in zip(maps, grids, strict=True)]


def check_images(images: Tensor) -> Tensor:
    """The images themselves.

    Raises:
        ConfigError: not a batch (N, C, H, W) of at least one.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ConfigError(f"images is {shape}, not a batch (N, C, H, W) of at least one image; images[None] adds N.")
    return images


def check_classes(classes: Sequence[int] | None, count: int) -> list[int]:
    """Indices of classes as a list.

    Args:
        classes: indices, or None for all.
        count: K.

    Raises:
        ConfigError: none, or one that is not an index below K.
    """
    if classes is None:
        return list(range(count))
    try:
        chosen = [index(each) for each in classes]
    except TypeError as error:
        raise ConfigError(f"classes={classes!r} is not a sequence of class indices, such as [0, 2].") from error
    if not chosen:
        raise ConfigError("classes is empty; give at least one class, or None for all.")
    if wrong := [each for each in chosen if not 0 <= each < count]:
        raise ConfigError(f"Class {wrong[0]} does not exist: the model has {count}, numbered 0 to {count - 1}.")
    return chosen
