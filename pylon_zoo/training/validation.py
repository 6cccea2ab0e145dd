"""How a model does on the validation split, every image once, whatever the number of processes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from pylon_zoo.data.sample import Batch
from pylon_zoo.metrics import ScoreKeeper, Scores, auroc
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
def scored(
    model: HeatmapClassifier, batches: Iterable[Batch], device: torch.device, channels_last: bool = False
) -> Scores | None:
    """What a model says of batches labelled with its own classes; None where there is no batch.

    Args:
        model: in evaluation mode, on `device`.
        batches: of normalised images of one size.
        device: where the model is.
        channels_last: hand images to the model channels-last in memory.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    keeper, empty = ScoreKeeper(model.num_classes, model.activation), True
    for batch in batches:
        empty = False
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        keeper.update(logits, heatmap, batch.targets, batch.boxes, tuple(images.shape[-2:]))
    return None if empty else keeper.compute()


def judge(shares: Sequence[tuple[Scores | None, Sequence[int]]]) -> Validation:
    """The figures of a whole split.

    Args:
        shares: what each process was told by the model, and the index of each of its images in the split.

    Raises:
        DivergedError: the loss is not finite.
    """
    parts = [scores for scores, _ in shares if scores is not None]
    # In the split's order, so that sums do not depend on who had what.
    order = torch.tensor([index for _, indices in shares for index in indices]).argsort()
    ranks, logits, targets = (
        torch.cat([getattr(part, name) for part in parts])[order] for name in ("ranks", "logits", "targets")
    )
    loss = float(masked_bce(logits, targets))
    if not math.isfinite(loss):
        raise DivergedError(f"The validation loss is {loss}. Lower optimizer.lr, or set loop.precision to 'no'.")
    points = parts[0].points
    for part in parts[1:] if points else ():
        points = points.merge(part.points)
    return Validation(loss, auroc(ranks, targets).macro, points.compute().macro if points else math.nan)
