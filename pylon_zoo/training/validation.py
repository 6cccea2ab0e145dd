"""How a model does on the validation split, every image once, whatever the number of processes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from pylon_zoo.cells import both, grid_for
from pylon_zoo.data.sample import Batch
from pylon_zoo.metrics import ScoreKeeper, auroc
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.training.loss import DivergedError, masked_bce

VALIDATION_BATCH = 64
"""Images at a time at most; not the share of a process, so that results do not depend on how many there are."""


@dataclass(frozen=True)
class Validation:
    """The validation split after an epoch: mean loss, macro AUROC and macro point accuracy (NaN where undefined)."""

    loss: float
    auroc: float
    point_accuracy: float


@torch.no_grad()
def score(
    model: HeatmapClassifier,
    batches: Iterable[Batch],
    indices: Sequence[int],
    device: torch.device | str,
    channels_last: bool = False,
) -> ScoreKeeper:
    """What a model says of batches labelled with its own classes.

    Args:
        model: in evaluation mode, on `device`.
        batches: of normalised images of one size; there may be none.
        indices: of the images in the split, in the batches' order.
        device: where the model is.
        channels_last: hand images to the model channels-last in memory.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    keeper, places = ScoreKeeper(model.num_classes, model.activation), iter(indices)
    for batch in batches:
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        mine, size = list(islice(places, len(batch))), both(images.shape[-2:])
        grid = None if heatmap is None else grid_for(model, size, "exact")
        keeper.update(logits, heatmap, batch.targets, batch.boxes, size, mine, grid)
    return keeper


def judge(keeper: ScoreKeeper, states: Sequence[Mapping[str, Any]]) -> Validation:
    """The figures of a whole split.

    Args:
        keeper: of any process, which takes all in.
        states: `ScoreKeeper.state()` of every process.

    Raises:
        DivergedError: the loss is not finite.
    """
    keeper.load_states(states)
    scores = keeper.compute()
    loss = float(masked_bce(scores.logits, scores.targets))
    if not math.isfinite(loss):
        raise DivergedError(f"The validation loss is {loss}. Lower optimizer.lr, or set loop.precision to 'no'.")
    points = scores.points.compute().macro if scores.points else math.nan
    return Validation(loss, auroc(scores.ranks, scores.targets).macro, points)
