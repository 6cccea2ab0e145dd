"""What every image-level metric asks of its scores and targets, said once."""

from __future__ import annotations

from torch import Tensor

from pylon_zoo.errors import DataError


def checked(metric: str, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores and targets fit to be judged.

    Args:
        metric: its name, for messages.
        scores: (N, K).
        targets: (N, K), 1 present, 0 absent, NaN unknown.

    Returns:
        Scores and targets as float64 on the CPU, and (N, K) bool, where the target is known.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a score that counts is NaN.
    """
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise DataError(
            f"{metric} needs scores and targets of one shape (images, classes); got {tuple(scores.shape)} and "
            f"{tuple(targets.shape)}."
        )
    scores, targets = scores.detach().cpu().double(), targets.detach().cpu().double()
    known = ~targets.isnan()
    if not bool(((targets == 0) | (targets == 1) | ~known).all()):
        raise DataError(
            f"{metric} targets must be 0, 1 or NaN (unknown). Turn soft or uncertain labels into one of them."
        )
    if bool((scores.isnan() & known).any()):
        raise DataError("Scores hold NaN, so images cannot be ranked. Look for a model that diverged or broken pixels.")
    return scores, targets, known


def checked_probabilities(metric: str, probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `checked`, for scores that must be probabilities.

    Raises:
        DataError: besides those of `checked`, a known entry lies outside [0, 1].
    """
    probabilities, targets, known = checked(metric, probabilities, targets)
    if bool((((probabilities < 0) | (probabilities > 1)) & known).any()):
        raise DataError(f"{metric} needs probabilities in [0, 1], and got others. Put logits through a sigmoid first.")
    return probabilities, targets, known
