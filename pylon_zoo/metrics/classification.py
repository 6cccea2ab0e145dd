"""How well image-level scores separate the images with a finding from those without."""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.errors import DataError
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
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise DataError(
            f"AUROC needs scores and targets of one shape (images, classes); got {tuple(scores.shape)} and "
            f"{tuple(targets.shape)}."
        )
    roc_auc_score = require("sklearn.metrics", extra="metrics").roc_auc_score
    scores, targets = scores.detach().double().cpu(), targets.detach().double().cpu()
    known = ~targets.isnan()
    if not bool(((targets == 0) | (targets == 1) | ~known).all()):
        raise DataError("AUROC targets must be 0, 1 or NaN (unknown). Turn soft or uncertain labels into one of them.")
    if bool((scores.isnan() & known).any()):
        raise DataError("Scores hold NaN, so images cannot be ranked. Look for a model that diverged or broken pixels.")

    positives = ((targets == 1) & known).sum(0)
    negatives = ((targets == 0) & known).sum(0)
    areas = torch.full((targets.shape[1],), float("nan"), dtype=torch.float64)
    for label in torch.nonzero((positives > 0) & (negatives > 0)).flatten().tolist():
        rows = known[:, label]
        areas[label] = float(roc_auc_score(targets[rows, label].numpy(), scores[rows, label].numpy()))
    return MetricResult("auroc", areas, positives)
