"""One pass of a model over batches: logits kept, heatmaps judged at input size and let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from pylon_zoo.cells import both, grid_for
from pylon_zoo.data.sample import Batch
from pylon_zoo.metrics import ScoreKeeper, Scores
from pylon_zoo.models.heatmap_model import HeatmapModel


@torch.no_grad()
def score(
    model: HeatmapModel,
    batches: Iterable[Batch],
    device: torch.device | str,
    class_map: Sequence[int | None] | None = None,
    others: Sequence[str] = (),
    placement: str = "exact",
) -> Scores:
    """Run a model over batches of one image size.

    Args:
        model: on `device`, in evaluation mode.
        batches: of normalised images; boxes and masks in pixels of those.
        device: where the model is.
        class_map: dataset class → model class, None for a class the model does not have; by default the same.
        others: names in `LOCALIZATION` of metrics to run besides point accuracy.
        placement: as for `evaluate`.

    Returns:
        The scores, images in the order of `batches`.

    Raises:
        DataError: there is no image, or a heatmap that has a box is not finite.
    """
    keeper = ScoreKeeper(model.num_classes, model.activation, class_map, model.heatmap_unit, others)
    for batch in batches:
        images = batch.images.to(device, non_blocking=True)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        size = both(images.shape[-2:])
        grid = None if heatmap is None else grid_for(model, size, placement)
        keeper.update(logits, heatmap, batch.targets, batch.boxes, size, grid=grid, masks=batch.masks)
    return keeper.compute()
