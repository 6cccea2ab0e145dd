"""Calibration after training: a temperature or a line per class, fitted on one split and applied to another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.errors import DataError
from pylon_zoo.metrics.checks import checked

STEPS = 100
"""Newton steps at most; they end in about ten."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Probabilities as sigmoid(slope · logit + offset), class by class; the slope is 1 / temperature.

    A temperature (Guo et al. 2017) keeps which images are above one half, a line (Platt 1999) also moves where that is;
    neither changes the order of images when the slope is positive, hence neither AUROC nor AUPRC. Made for sigmoid
    outputs: every class is its own two-class problem.

    Args:
        slope: (K,) float64; 1 where nothing could be fitted.
        offset: (K,) float64; 0 likewise, and always for a temperature.
        fitted_on: the split; fit on validation, never on the split that is judged.
        fitted: (K,) bool: both present and absent occurred, and a finite optimum was found.

    Example:
        >>> logits, targets = torch.tensor([[4.0], [4.0], [4.0], [-4.0]]), torch.tensor([[1.0], [1.0], [0.0], [0.0]])
        >>> scaling = temperature_scaling(logits, targets, split="val")
        >>> scaling.slope.item() < 1  # it was too sure
        True
    """

    slope: Tensor
    offset: Tensor
    fitted_on: str
    fitted: Tensor

    @property
    def temperature(self) -> Tensor:
        """(K,) float64, 1 / slope."""
        return 1 / self.slope

    def __call__(self, logits: Tensor) -> Tensor:
        """Calibrated probabilities (N, K), float64, of logits (N, K)."""
        if logits.ndim != 2 or logits.shape[1] != len(self.slope):
            raise DataError(f"Scaling of {len(self.slope)} classes got logits of shape {tuple(logits.shape)}.")
        return torch.sigmoid(logits.cpu().double() * self.slope + self.offset)


def temperature_scaling(logits: Tensor, targets: Tensor, split: str) -> Scaling:
    """One temperature per class by maximum likelihood.

    Args:
        logits: (N, K).
        targets: (N, K), 1 present, 0 absent, NaN unknown; unknown entries are left out.
        split: the name of the split that these are of.

    Returns:
        The scaling. A class without present or without absent images, or whose best temperature is not positive and
        finite (logits no better than chance, or flawless ones), keeps temperature 1 and is not `fitted`.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a logit is NaN.

    Example:
        >>> logits, targets = torch.tensor([[4.0], [4.0], [4.0], [-4.0]]), torch.tensor([[1.0], [1.0], [0.0], [0.0]])
        >>> scaling = temperature_scaling(logits, targets, split="val")
        >>> bool(scaling(logits)[0] < logits[0].sigmoid())  # it was too sure
        True
    """
    return _fit(logits, targets, split, offset=False)


def platt_scaling(logits: Tensor, targets: Tensor, split: str) -> Scaling:
    """A slope and an offset per class by maximum likelihood, with Platt's smoothed targets.

    The targets are (P + 1)/(P + 2) and 1/(Q + 2) for P present and Q absent images in place of 1 and 0, which keeps the
    optimum finite even when the classes are separated.

    Args:
        logits: (N, K).
        targets: (N, K), 1 present, 0 absent, NaN unknown; unknown entries are left out.
        split: the name of the split that these are of.

    Returns:
        The scaling; a class without present or without absent images keeps its probabilities and is not `fitted`.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a logit is NaN.

    Example:
        >>> logits, targets = torch.tensor([[4.0], [4.0], [4.0], [-4.0]]), torch.tensor([[1.0], [1.0], [0.0], [0.0]])
        >>> scaling = platt_scaling(logits, targets, split="val")
        >>> bool(scaling(logits)[0] < logits[0].sigmoid())  # it was too sure
        True
    """
    return _fit(logits, targets, split, offset=True)


def _fit(logits: Tensor, targets: Tensor, split: str, offset: bool) -> Scaling:
    logits, targets, known = checked("Scaling", logits, targets)
    lines = [_line(logits[rows, k], targets[rows, k], offset) for k, rows in enumerate(known.unbind(1))]
    table = torch.tensor([line or (1.0, 0.0) for line in lines], dtype=torch.float64).view(-1, 2)
    fitted = torch.tensor([line is not None for line in lines])
    return Scaling(table[:, 0].clone(), table[:, 1].clone(), split, fitted)


def _line(logits: Tensor, targets: Tensor, offset: bool) -> tuple[float, float] | None:
    """Slope and offset of one class by damped Newton steps on a convex loss; None where there is no good optimum."""
    positives, negatives = float((targets == 1).sum()), float((targets == 0).sum())
    if not positives or not negatives:
        return None
    flawless = bool((logits * (2 * targets - 1) >= 0).all())
    if flawless and not offset:  # the surer the better, without end
        return None
    if offset:
        targets = torch.where(targets == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    features = torch.stack([logits, torch.ones_like(logits)], dim=1)[:, : 2 if offset else 1]
    line = torch.tensor([1.0, 0.0], dtype=torch.float64)[: features.shape[1]]

    def loss(candidate: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(features @ candidate, targets)

    for _ in range(STEPS):
        told = torch.sigmoid(features @ line)
        gradient = features.T @ (told - targets) / len(targets)
        curvature = (features * (told * (1 - told))[:, None]).T @ features / len(targets)
        step = torch.linalg.solve(curvature + 1e-12 * torch.eye(len(line), dtype=torch.float64), gradient)
        size = 1.0
        while loss(line - size * step) > loss(line) and size > 1e-6:
            size /= 2
        line = line - size * step
        if float((size * step).abs().max()) < 1e-10:
            break
    slope, shift = float(line[0]), float(line[1]) if offset else 0.0
    return (slope, shift) if slope > 0 or offset else None
