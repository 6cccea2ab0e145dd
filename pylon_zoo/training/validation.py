"""How a model does on the validation split, every image once, whatever the number of processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pylon_zoo.metrics import ScoreKeeper, auroc
from pylon_zoo.training.loss import DivergedError, masked_bce

VALIDATION_BATCH = 64
"""Images at a time at most; not the share of a process, so that results do not depend on how many there are."""


@dataclass(frozen=True)
class Validation:
    """The validation split after an epoch: mean loss, macro AUROC and macro point accuracy (NaN where undefined)."""

    loss: float
    auroc: float
    point_accuracy: float


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
