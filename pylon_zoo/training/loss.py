"""The paper's loss: binary cross-entropy with logits, on the pooled heatmap."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.errors import PylonZooError


class DivergedError(PylonZooError, ArithmeticError):
    """The loss became NaN or infinite."""


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy over the labels that are known, in float32.

    Args:
        logits: (N, K), any floating dtype.
        targets: (N, K) in [0, 1], NaN unknown.

    Returns:
        The mean over known entries, a float32 scalar; 0, without a gradient to any logit, when none is known.

    Example:
        >>> masked_bce(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, float("nan")]]))
        tensor(0.6931)
    """
    return summed_bce(logits, targets) / known_labels(targets).clamp(min=1)


def summed_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """As `masked_bce`, but the sum over known entries: what parts of a batch add up to.

    Example:
        >>> summed_bce(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
        tensor(1.3863)
    """
    losses = functional.binary_cross_entropy_with_logits(
        logits.float(), targets.nan_to_num(0.0).float(), reduction="none"
    )
    # torch.where, because 0 * inf of an unknown label whose logit overflowed would be NaN.
    return torch.where(targets.isnan(), 0.0, losses).sum()


def known_labels(targets: Tensor) -> Tensor:
    """How many entries of (N, K) targets are known, an int64 scalar."""
    return (~targets.isnan()).sum()
