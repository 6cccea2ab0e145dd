"""Learning rate over a run: when it falls, and when there is no point in going on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

from pylon_zoo.training.sections import setting


class Schedule(Protocol):
    """What the loop asks of a schedule."""

    finished: bool
    """No further epoch is worth training."""

    def scale(self, progress: float) -> float:
        """What the base learning rate is multiplied with, `progress` in [0, 1) of the run's optimizer steps."""

    def observe(self, loss: float) -> None:
        """Take note of a validation loss."""

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on later."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


@dataclass
class Plateau:
    """Cut the rate when the validation loss stops falling; stop at the last cut. The paper's schedule.

    "Reduced by 5× when the loss on the validation dataset does not improve for two consecutive epochs; stopped when
    reduced by more than two times": 1e-4 → 2e-5 → 4e-6, and at the third cut the run ends.

    Args:
        factor: what a cut multiplies the rate with.
        patience: evaluations in a row without improvement that make a cut.
        max_cuts: the cut at which the run ends.
        threshold: an improvement smaller than this share of the best loss counts as none, as in PyTorch's
            `ReduceLROnPlateau`.

    Example:
        >>> schedule = Plateau()
        >>> for loss in (0.50, 0.40, 0.41, 0.42):
        ...     schedule.observe(loss)
        >>> schedule.scale(0.1), schedule.finished
        (0.2, False)
    """

    factor: float = setting(0.2, above=0, below=1)
    patience: int = setting(2, at_least=1)
    max_cuts: int = setting(3, at_least=1)
    threshold: float = setting(1e-4, at_least=0, below=1)
    best: float = field(default=math.inf, init=False)
    bad: int = field(default=0, init=False)
    cuts: int = field(default=0, init=False)

    @property
    def finished(self) -> bool:
        """The last cut has been made."""
        return self.cuts >= self.max_cuts

    def scale(self, progress: float) -> float:
        """`factor` to the power of the cuts made so far, wherever in the run."""
        return self.factor**self.cuts

    def observe(self, loss: float) -> None:
        """Count an evaluation as good or bad; enough bad ones in a row are a cut."""
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad = loss, 0
            return
        self.bad += 1
        if self.bad >= self.patience:
            self.cuts, self.bad = self.cuts + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Best loss, bad evaluations since, cuts."""
        return {"best": self.best, "bad": self.bad, "cuts": self.cuts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.best, self.bad, self.cuts = state["best"], state["bad"], state["cuts"]


@dataclass
class Cosine:
    """Rise linearly, fall along half a cosine over the planned epochs; quicker than a plateau from scratch.

    Args:
        warmup: share of the run's steps spent rising from (nearly) 0.
        floor: share of the base rate left at the end.

    Example:
        >>> [round(Cosine(warmup=0.5).scale(progress), 2) for progress in (0.25, 0.5, 0.75, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
    """

    warmup: float = setting(0.05, at_least=0, below=1)
    floor: float = setting(0.0, at_least=0, at_most=1)
    finished: bool = field(default=False, init=False)

    def scale(self, progress: float) -> float:
        """The share of the base rate at `progress` in [0, 1]."""
        if progress < self.warmup:
            return max(progress / self.warmup, 1e-3)
        falling = (progress - self.warmup) / (1 - self.warmup)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * falling)) / 2

    def observe(self, loss: float) -> None:
        """The loss does not matter here."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the rate depends on progress alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


SCHEDULES: dict[str, type] = {"plateau": Plateau, "cosine": Cosine}
"""Name in a recipe's `[schedule]` → class; the class's arguments are `[schedule.options]`."""
