"""Decisions: sensitivity and specificity at a threshold, and thresholds fitted on one split for use on another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pylon_zoo.errors import DataError
from pylon_zoo.metrics.checks import checked
from pylon_zoo.metrics.result import MetricResult


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What a set of thresholds decides on a split, and where the thresholds came from.

    Args:
        thresholds: (K,) float64, in the unit of the scores; NaN where none could be fitted.
        sensitivity: share of the images with the class that reach the threshold; support = images with the class.
        specificity: share of the images without the class that do not; support = images without the class.
        fitted_on: the split that the thresholds were fitted on; None when they were given.
        applied_to: the split that they were used on.

    Example:
        >>> scores, targets = torch.tensor([[0.9], [0.2], [0.6]]), torch.tensor([[1.0], [0.0], [1.0]])
        >>> found = GeometricMeanThresholds.fit(scores, targets, split="val").apply(scores, targets, split="val")
        >>> found.sensitivity.macro, found.in_sample
        (1.0, True)
    """

    thresholds: Tensor
    sensitivity: MetricResult
    specificity: MetricResult
    fitted_on: str | None
    applied_to: str

    @property
    def in_sample(self) -> bool:
        """Whether the split judged is the one fitted on: then the two shares are too good to be believed."""
        return self.fitted_on == self.applied_to


def sensitivity_specificity(scores: Tensor, targets: Tensor, thresholds: Tensor) -> tuple[MetricResult, MetricResult]:
    """Sensitivity and specificity per class of the rule "present when score ≥ threshold".

    Args:
        scores: (N, K).
        targets: (N, K), 1 present, 0 absent, NaN unknown; unknown entries are left out.
        thresholds: (K,) in the unit of the scores; NaN gives NaN.

    Returns:
        Sensitivity, with the number of images that have the class as support, and specificity, with those that do not;
        each in [0, 1], NaN without support.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score is NaN.

    Example:
        >>> scores, targets = torch.tensor([[0.2], [0.6], [0.9]]), torch.tensor([[0.0], [0.0], [1.0]])
        >>> [one.macro for one in sensitivity_specificity(scores, targets, torch.tensor([0.6]))]
        [1.0, 0.5]
    """
    scores, targets, _ = checked("Sensitivity", scores, targets)
    if tuple(thresholds.shape) != (scores.shape[1],):
        raise DataError(f"{scores.shape[1]} classes need as many thresholds, got shape {tuple(thresholds.shape)}.")
    thresholds = thresholds.cpu().double()
    called = scores >= thresholds
    undefined = torch.where(thresholds.isnan(), torch.nan, 0.0)
    results = []
    for name, truth, right in (("sensitivity", 1, called), ("specificity", 0, ~called)):
        cases = targets == truth
        support = cases.sum(0)
        results.append(MetricResult(name, (right & cases).sum(0) / support.double() + undefined, support))
    return results[0], results[1]


@dataclass(frozen=True, eq=False)
class GeometricMeanThresholds:
    """Per class the threshold with the largest √(sensitivity · specificity) on the split it was fitted on.

    Candidates are the scores that occur; among equally good ones the highest is taken, so that fewest images are
    called. (Preechakul et al. 2022 use it for their IoU.) Fit it on validation and apply it to test: fitted on the
    split that is judged it flatters the model, and the result says so (`OperatingPoint.in_sample`).

    Args:
        thresholds: (K,) float64, NaN where only one of present and absent occurs.
        fitted_on: the split.

    Example:
        >>> targets = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
        >>> fitted = GeometricMeanThresholds.fit(torch.tensor([[0.1], [0.4], [0.5], [0.9]]), targets, split="val")
        >>> point = fitted.apply(torch.tensor([[0.2], [0.6], [0.7], [0.3]]), targets, split="test")
        >>> fitted.thresholds.item(), point.sensitivity.macro, point.specificity.macro, point.in_sample
        (0.5, 0.5, 0.5, False)
    """

    thresholds: Tensor
    fitted_on: str

    @classmethod
    def fit(cls, scores: Tensor, targets: Tensor, split: str) -> GeometricMeanThresholds:
        """Find the thresholds.

        Args:
            scores: (N, K), logits or probabilities; `apply` takes the same unit.
            targets: (N, K), 1 present, 0 absent, NaN unknown.
            split: the name of the split that these are of.

        Raises:
            DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score is NaN.
        """
        scores, targets, known = checked("Thresholds", scores, targets)
        found = [_best(scores[rows, k], targets[rows, k]) for k, rows in enumerate(known.unbind(1))]
        return cls(torch.tensor(found, dtype=torch.float64), split)

    def apply(self, scores: Tensor, targets: Tensor, split: str) -> OperatingPoint:
        """Use the thresholds on a split.

        Args:
            scores: (N, K) in the unit that they were fitted in.
            targets: (N, K), 1 present, 0 absent, NaN unknown.
            split: the name of the split that these are of.

        Raises:
            DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score is NaN.
        """
        sensitivity, specificity = sensitivity_specificity(scores, targets, self.thresholds)
        return OperatingPoint(self.thresholds, sensitivity, specificity, self.fitted_on, split)


def _best(scores: Tensor, targets: Tensor) -> float:
    """The threshold of one class; every distinct score is tried, highest first."""
    positives, negatives = float((targets == 1).sum()), float((targets == 0).sum())
    if not positives or not negatives:
        return float("nan")
    ordered, order = scores.sort(descending=True)
    truth = targets[order]
    last_of_ties = torch.cat([ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool)])
    sensitivity = truth.cumsum(0)[last_of_ties] / positives
    specificity = 1 - (1 - truth).cumsum(0)[last_of_ties] / negatives
    return float(ordered[last_of_ties][(sensitivity * specificity).argmax()])
