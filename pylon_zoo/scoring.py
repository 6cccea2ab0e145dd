"""One pass of a model over batches, for validation and evaluation alike: logits kept, heatmaps judged and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, both, grid_for
from pylon_zoo.data.sample import Batch
from pylon_zoo.metrics import ScoreKeeper
from pylon_zoo.metrics.localization import MakeLocalizer
from pylon_zoo.models.heatmap_model import HeatmapModel


@dataclass(frozen=True)
class Seen:
    """What a model said of one batch.

    Args:
        batch: on the CPU.
        images: (N, C, H, W) as the model saw them, on its device.
        heatmap: (N, K, h, w) raw, on the model's device; None for a model without.
        grid: where the heatmap's cells lie in the images' pixels.
    """

    batch: Batch
    images: Tensor
    heatmap: Tensor | None
    grid: CellGrid | None


@torch.no_grad()
def score(
    model: HeatmapModel,
    batches: Iterable[Batch],
    device: torch.device | str,
    *,
    class_map: Sequence[int | None] | None = None,
    others: Sequence[str] | Mapping[str, MakeLocalizer] = (),
    keep: bool = False,
    placement: str = "exact",
    indices: Sequence[int] | None = None,
    channels_last: bool = False,
    watch: Callable[[Seen], None] | None = None,
) -> ScoreKeeper:
    """Run a model over batches of one image size.

    Args:
        model: on `device`, in evaluation mode.
        batches: of images that are normalised or know how to become so; boxes and masks in pixels of those. There
            may be none.
        device: where the model is.
        class_map: dataset class → model class, None for a class the model does not have; by default the same.
        others, keep: as for `pylon_zoo.metrics.ScoreKeeper`.
        placement: where heatmaps' cells are judged to lie, `"exact"` or `"paper"`.
        indices: of the images in the split, in the batches' order; None counts them from 0.
        channels_last: hand images to the model channels-last in memory.
        watch: called with every batch and what the model said of it, before it is let go.

    Returns:
        The scores; `compute` gives them in the order of `indices`.

    Raises:
        DataError: a heatmap that has a box is not finite.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    keeper = ScoreKeeper(model.num_classes, model.activation, class_map, model.heatmap_unit, others, keep)
    places = None if indices is None else iter(indices)
    for batch in batches:
        images = batch.model_input(device, layout)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        size = both(images.shape[-2:])
        grid = None if heatmap is None else grid_for(model, size, placement)
        mine = None if places is None else list(islice(places, len(batch)))
        keeper.update(logits, heatmap, batch.targets, batch.boxes, size, mine, grid, batch.masks)
        if watch is not None:
            watch(Seen(batch, images, heatmap, grid))
    return keeper
