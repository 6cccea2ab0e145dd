"""The metrics that ask the model again and again, by name: a line in `FAITHFULNESS`, and what a pair costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.metrics.localization import LOCALIZATION

if TYPE_CHECKING:
    from torch import Tensor

    from pylon_zoo.cells import CellGrid
    from pylon_zoo.metrics.erasing import Classifier
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


def _deletion(asked: Asked) -> Eraser:
    from pylon_zoo.metrics.deletion import Deletion

    return Deletion(asked.model, asked.num_classes, batch_size=asked.batch_size, grid=asked.grid)


def _insertion(asked: Asked) -> Eraser:
    from pylon_zoo.metrics.deletion import Insertion

    return Insertion(asked.model, asked.num_classes, batch_size=asked.batch_size, grid=asked.grid)


def _masked_out_area(asked: Asked) -> Eraser:
    from pylon_zoo.metrics.masked_out import MaskedOutArea

    return MaskedOutArea(asked.model, asked.num_classes, asked.thresholds, batch_size=asked.batch_size, grid=asked.grid)


# Each imports what it makes, so that the names are known without torch.
FAITHFULNESS: dict[str, Callable[[Asked], Eraser]] = {
    "deletion": _deletion,
    "insertion": _insertion,
    "masked_out_area": _masked_out_area,
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


def check_metrics(names: Sequence[str]) -> None:
    """Refuse what is no key of `LOCALIZATION` or `FAITHFULNESS`.

    Raises:
        UnknownNameError: names the nearest.
    """
    known = (*LOCALIZATION, *FAITHFULNESS)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"Unknown metric {name!r}.{suggest(name, known)} There are {', '.join(known)}.")
