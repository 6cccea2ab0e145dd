"""Whether probabilities mean what they say: how often images of a predicted probability have the finding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.checks import checked_probabilities
from pylon_zoo.metrics.result import MetricResult

BINS = 15
"""As in Guo et al. 2017."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions by bins of equal width, class by class.

    Bin b of B holds probabilities in [b/B, (b+1)/B); the last one also 1.

    Args:
        counts: (K, B) int64, known predictions in each bin.
        predicted: (K, B) float64, sum of their probabilities.
        observed: (K, B) int64, how many of them have the class.

    Example:
        >>> told, truth = torch.tensor([[0.9], [0.9], [0.1], [0.1]]), torch.tensor([[1.0], [0.0], [0.0], [0.0]])
        >>> round(Reliability.of(told, truth, bins=2).expected_error.macro, 6)  # half of |0.9 - 0.5| + |0.1 - 0|
        0.25
    """

    counts: Tensor
    predicted: Tensor
    observed: Tensor

    @classmethod
    def of(cls, probabilities: Tensor, targets: Tensor, bins: int = BINS) -> Reliability:
        """Sort predictions into bins.

        Args:
            probabilities: (N, K) in [0, 1].
            targets: (N, K), 1 present, 0 absent, NaN unknown; unknown entries are left out.
            bins: B, at least 1.

        Raises:
            DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a probability is none.
            ConfigError: fewer than one bin.
        """
        if bins < 1:
            raise ConfigError(f"bins={bins} must be at least 1.")
        probabilities, targets, known = checked_probabilities("Calibration", probabilities, targets)
        classes = targets.shape[1]
        bin_of = (probabilities.nan_to_num() * bins).long().clamp(max=bins - 1)
        cell = (bin_of + bins * torch.arange(classes))[known]

        def add_up(values: Tensor) -> Tensor:
            return torch.zeros(classes * bins, dtype=values.dtype).index_add(0, cell, values).view(classes, bins)

        one = torch.ones(len(cell), dtype=torch.int64)
        return cls(add_up(one), add_up(probabilities[known]), add_up((targets[known] == 1).long()))

    def merge(self, other: Reliability) -> Reliability:
        """The bins of both sets of images together.

        Raises:
            ConfigError: they differ in classes or bins.
        """
        if self.counts.shape != other.counts.shape:
            raise ConfigError(
                f"Cannot merge reliabilities of different (classes, bins): {tuple(self.counts.shape)}, "
                f"{tuple(other.counts.shape)}."
            )
        return Reliability(self.counts + other.counts, self.predicted + other.predicted, self.observed + other.observed)

    @property
    def pooled(self) -> Reliability:
        """All classes as one, (1, B)."""
        return Reliability(*(one.sum(0, keepdim=True) for one in (self.counts, self.predicted, self.observed)))

    @property
    def expected_error(self) -> MetricResult:
        """Expected calibration error, Σ_b n_b/n · |share observed − mean predicted| (Naeini et al. 2015).

        Returns:
            Per class in [0, 1], NaN without a known target; support is the number of known targets.
        """
        total = self.counts.sum(1)
        gaps = (self.observed - self.predicted).abs().sum(1)
        return MetricResult("ece", gaps / total.double(), total)
