"""The metrics that ask the model again and again, by name: a line in `FAITHFULNESS`, and what a pair costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.metrics.deletion import Deletion, Insertion
from pylon_zoo.metrics.erasing import Classifier
from pylon_zoo.metrics.masked_out import MaskedOutArea
from pylon_zoo.metrics.result import MetricResult


class Eraser(Protocol):
    """Images, heatmaps and targets in, batch by batch; a value per class out."""

    settings: dict[str, object]
    """All that the number depends on."""
    steps: int
    """Images that go through the model for a pair, at most, besides the whole one."""

    def update(self, images: Tensor, heatmaps: Tensor, targets: Tensor) -> Tensor:
        """Measure one batch; (N, K) values, NaN for pairs that do not count."""

    def compute(self) -> MetricResult:
        """The values so far."""


@dataclass(frozen=True)
class Asked:
    """Whom an eraser asks, and how.

    Args:
        model: images (N, C, H, W) → logits (N, K) whose sigmoid is the probability, in evaluation mode.
        num_classes: K.
        thresholds: K probabilities from which on a class counts as found.
        batch_size: images per forward pass.
        grid: where the heatmaps' cells lie in the images.
    """

    model: Classifier
    num_classes: int
    thresholds: Sequence[float]
    batch_size: int
    grid: CellGrid | None


FAITHFULNESS: dict[str, Callable[[Asked], Eraser]] = {
    "deletion": lambda asked: Deletion(asked.model, asked.num_classes, batch_size=asked.batch_size, grid=asked.grid),
    "insertion": lambda asked: Insertion(asked.model, asked.num_classes, batch_size=asked.batch_size, grid=asked.grid),
    "masked_out_area": lambda asked: MaskedOutArea(
        asked.model, asked.num_classes, asked.thresholds, batch_size=asked.batch_size, grid=asked.grid
    ),
}
"""Name → what makes the metric: RISE's 224 steps for deletion and insertion, the paper's 200 for masked-out area."""


def forwards(name: str) -> int:
    """Images that go through the model for one pair, at most.

    Args:
        name: in `FAITHFULNESS`.

    Example:
        >>> forwards("deletion"), forwards("masked_out_area")
        (225, 201)
    """
    return FAITHFULNESS[name](Asked(lambda images: images, 1, (0.5,), 1, None)).steps + 1
