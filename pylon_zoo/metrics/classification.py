"""How well image-level scores separate the images with a finding from those without."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pylon_zoo.metrics.checks import checked
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.optional import require


def auroc(scores: Tensor, targets: Tensor) -> MetricResult:
    """Area under the receiver operating characteristic per class, by scikit-learn; ties count one half.

    Args:
        scores: (N, K) logits or probabilities. Prefer logits: a float32 sigmoid saturates, and every tie it makes
            costs half a rank.
        targets: (N, K), 1 present, 0 absent, NaN unknown. Unknown entries are left out, class by class.

    Returns:
        The area per class in [0, 1], NaN where only one of present and absent occurs; support is the number of images
        with the class present.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score is NaN.
        MissingDependencyError: scikit-learn is not installed.

    Example:
        >>> auroc(torch.tensor([[0.1], [0.8], [0.4], [0.9]]), torch.tensor([[0.0], [1.0], [1.0], [0.0]])).macro
        0.5
    """
    return _by_class("AUROC", "auroc", "roc_auc_score", scores, targets)


def average_precision(scores: Tensor, targets: Tensor) -> MetricResult:
    """Area under the precision–recall curve per class as average precision, Σ (Rᵢ − Rᵢ₋₁) Pᵢ, by scikit-learn.

    The step function, not the trapezium, which is too optimistic. Unlike AUROC its chance level is not one half but the
    share of images that have the class.

    Args:
        scores: (N, K) logits or probabilities, as for `auroc`.
        targets: (N, K), 1 present, 0 absent, NaN unknown.

    Returns:
        The area per class in (0, 1], NaN where only one of present and absent occurs; support is the number of images
        with the class present.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score is NaN.
        MissingDependencyError: scikit-learn is not installed.

    Example:
        >>> targets = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
        >>> average_precision(torch.tensor([[0.1], [0.8], [0.4], [0.5]]), targets).macro  # (1 + 2/3) / 2
        0.8333333333333333
    """
    return _by_class("Average precision", "auprc", "average_precision_score", scores, targets)


def _by_class(metric: str, name: str, function: str, scores: Tensor, targets: Tensor) -> MetricResult:
    """A function of `sklearn.metrics` on every class that has both present and absent images."""
    scores, targets, known = checked(metric, scores, targets)
    judge: Callable[..., float] = getattr(require("sklearn.metrics", extra="metrics"), function)
    positives = ((targets == 1) & known).sum(0)
    negatives = ((targets == 0) & known).sum(0)
    values = torch.full((targets.shape[1],), float("nan"), dtype=torch.float64)
    for label in torch.nonzero((positives > 0) & (negatives > 0)).flatten().tolist():
        rows = known[:, label]
        values[label] = min(1.0, float(judge(targets[rows, label].numpy(), scores[rows, label].numpy())))  # by rounding
    return MetricResult(name, values, positives)
