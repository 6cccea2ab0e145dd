"""What every metric returns: one value per class, how many cases stand behind it, and its two averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class MetricResult:
    """A metric's value per class with its support.

    Args:
        name: the metric, as a column heading (`"point_accuracy"`).
        per_class: (K,) floating point; NaN where the metric is undefined for the class.
        support: (K,) integer; the number of cases behind each value.

    Example:
        >>> result = MetricResult("accuracy", torch.tensor([0.5, 1.0, float("nan")]), torch.tensor([30, 10, 0]))
        >>> result.macro, result.weighted
        (0.75, 0.625)
    """

    name: str
    per_class: Tensor
    support: Tensor

    @property
    def _counts(self) -> Tensor:
        """(K,) bool: classes that enter the averages, those with support and a defined value."""
        return (self.support > 0) & ~self.per_class.isnan()

    @property
    def macro(self) -> float:
        """Plain mean over the classes that have support; NaN when none has."""
        return float(self.per_class[self._counts].double().mean())

    @property
    def weighted(self) -> float:
        """Mean over the classes that have support, each weighted by it; NaN when none has."""
        weights = self.support[self._counts].double()
        return float((self.per_class[self._counts].double() * weights).sum() / weights.sum())

    def select(self, classes: Sequence[int]) -> MetricResult:
        """The same metric for some classes, in the order asked for; the averages are then over those.

        Args:
            classes: class indices in [0, K).

        Returns:
            A result of length `len(classes)`.
        """
        index = torch.as_tensor(list(classes), dtype=torch.long)
        return MetricResult(self.name, self.per_class[index], self.support[index])
