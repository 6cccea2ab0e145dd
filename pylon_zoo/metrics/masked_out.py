"""Masked-out area: how much of the image must go, strongest pixels first, before the prediction flips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid, both
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.erasing import Classifier, all_logits, check_pairs, fill_value, groups, heatmap_order, logits_of
from pylon_zoo.metrics.result import MetricResult

NEVER_FLIPPED = {"full": 1.0, "skip": math.nan}
"""The area of a pair whose prediction stays positive to the end."""


@dataclass(frozen=True, eq=False)
class MaskedOutResult(MetricResult):
    """A `MetricResult` that says how it was measured.

    Args:
        settings: the options of the evaluator.
        never_flipped: (K,) pairs that stayed positive however much was masked.
        forwards: images that went through the model.

    Example:
        >>> result = MaskedOutResult("masked-out area", torch.tensor([0.1]), torch.tensor([3]), forwards=60)
        >>> result.forwards
        60
    """

    settings: dict[str, Any] = field(default_factory=dict)
    never_flipped: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    forwards: int = 0


class MaskedOutArea:
    """The share of the image that is masked, strongest heatmap pixels first, when the prediction turns negative.

    The mask grows by `step` of the image's pixels at a time; the value of an (image, class) pair is step · number of
    the first step whose probability is below the class's threshold; step n masks n · step · H · W pixels, rounded.
    Smaller is better. (Preechakul et al. 2022, STAR
    Methods, "masked-out area".) The paper states neither the fill, nor which pairs count, nor what happens to those
    that never flip: each is an option here and stands in the result's `settings`.

    `search="scan"` tries the steps in order, all undecided pairs together, and stops each at its flip: it is the
    definition, and computes no image that one forward per step would not.
    `search="bisection"` assumes that a pair that has flipped stays flipped, and needs at most 8 forwards per pair at
    0.5 %; where masking flips a prediction to and fro it may find a later flip than the first.

    Args:
        model: images (N, C, H, W) → logits (N, K), in evaluation mode; no gradients are taken. Probabilities are
            their sigmoid; for classes that compete give a function that returns log(p ÷ (1 - p)).
        num_classes: K.
        thresholds: probability from which on a class counts as found, one for all or K (the paper's: maximal
            geometric mean of sensitivity and specificity, on validation).
        step: share of the pixels per step, in (0, 1]; the last step masks everything.
        fill: `"normalised"` (0 after normalisation), `"raw"` (0 before it; needs mean and std), or a value.
        mean, std: (C,) of the normalisation.
        pairs: `"positive"`: pairs whose target is 1 and that the model calls positive, the paper's "correct class";
            `"predicted"`: all that the model calls positive, whatever the target.
        never_flipped: `"full"`: area 1; `"skip"`: left out of mean and support. Both are counted in the result.
        search: `"scan"` or `"bisection"`.
        batch_size: masked images per forward pass.
        grid: where the heatmaps' cells lie in the images, see `pylon_zoo.cells.to_pixels`; None takes them for tiles.

    Raises:
        ConfigError: an option that does not exist or is out of range.

    Example:
        >>> metric = MaskedOutArea(lambda x: x.mean((2, 3)) - 0.5, 1, step=0.25)  # positive above a mean of 0.5
        >>> areas = metric.update(torch.ones(1, 1, 2, 2), torch.eye(2).view(1, 1, 2, 2), torch.ones(1, 1))
        >>> metric.compute().macro  # 0.5 is not below the threshold yet
        0.75
    """

    def __init__(
        self,
        model: Classifier,
        num_classes: int,
        thresholds: float | Sequence[float] = 0.5,
        step: float = 0.005,
        fill: str | float | Tensor = "normalised",
        mean: Tensor | None = None,
        std: Tensor | None = None,
        pairs: str = "positive",
        never_flipped: str = "full",
        search: str = "scan",
        batch_size: int = 32,
        grid: CellGrid | None = None,
    ) -> None:
        chosen = (thresholds,) * num_classes if isinstance(thresholds, (int, float)) else tuple(thresholds)
        if num_classes < 1 or len(chosen) != num_classes or not all(0 < value < 1 for value in chosen):
            raise ConfigError(f"thresholds={thresholds!r} is not one probability in (0, 1) for each of {num_classes}.")
        if not 0 < step <= 1 or batch_size < 1:
            raise ConfigError(f"step={step} must be in (0, 1] and batch_size={batch_size} at least 1.")
        for name, value, allowed in (
            ("pairs", pairs, ("positive", "predicted")),
            ("never_flipped", never_flipped, tuple(NEVER_FLIPPED)),
            ("search", search, tuple(SEARCHES)),
        ):
            if value not in allowed:
                raise ConfigError(f"{name}={value!r} is not one of {', '.join(allowed)}.")
        self.model, self.num_classes, self.batch_size = model, num_classes, batch_size
        self.fill, self.mean, self.std, self.grid = fill, mean, std, grid
        self.settings: dict[str, Any] = {
            "thresholds": tuple(map(float, chosen)),
            "step": step,
            "fill": fill if isinstance(fill, str) else tuple(torch.as_tensor(fill).flatten().tolist()),
            "mean": None if mean is None else tuple(torch.as_tensor(mean).flatten().tolist()),
            "std": None if std is None else tuple(torch.as_tensor(std).flatten().tolist()),
            "pairs": pairs,
            "never_flipped": never_flipped,
            "search": search,
            "grid": grid,
        }
        self.steps = math.ceil(1 / step - 1e-9)
        self.total = torch.zeros(num_classes, dtype=torch.float64)
        self.support = torch.zeros(num_classes, dtype=torch.int64)
        self.never = torch.zeros(num_classes, dtype=torch.int64)
        self.forwards = 0

    @torch.no_grad()
    def update(self, images: Tensor, heatmaps: Tensor, targets: Tensor) -> Tensor:
        """Measure one batch.

        Args:
            images: (N, C, H, W) normalised, on the model's device.
            heatmaps: (N, K, h, w) raw logits of any kind whose order matters.
            targets: (N, K), 1 present, 0 absent, NaN unknown.

        Returns:
            (N, K) float64: the area of each pair, 1 or NaN by `never_flipped`, NaN for pairs that do not count.

        Raises:
            DataError: shapes do not fit, or a heatmap or logit is not finite.
        """
        check_pairs(images, heatmaps, targets)
        value = fill_value(self.fill, self.mean, self.std, images)
        cuts = torch.logit(torch.tensor(self.settings["thresholds"], dtype=torch.float64)).float().to(images.device)
        everyone = torch.ones_like(targets, dtype=torch.bool)
        wanted = (targets == 1) if self.settings["pairs"] == "positive" else everyone
        rows = torch.nonzero(wanted.any(dim=1)).flatten()
        logits = torch.full(targets.shape, -math.inf, device=images.device)
        logits[rows] = all_logits(self.model, images[rows], self.num_classes, self.batch_size)
        self.forwards += len(rows)
        owner, labels = torch.nonzero(wanted.to(images.device) & (logits >= cuts), as_tuple=True)

        flips = torch.zeros(len(owner), dtype=torch.int64)
        for some in groups(len(owner), self.batch_size):  # memory: one batch of pairs at a time
            image, label = owner[some], labels[some]
            ranks = heatmap_order(heatmaps.to(images.device)[image, label], both(images.shape[2:]), self.grid)

            def negative(
                pair: Tensor, step: Tensor, image: Tensor = image, label: Tensor = label, ranks: Tensor = ranks
            ) -> Tensor:
                """Whether pairs (B,) are negative once `step` (B,) steps are masked."""
                pair, step = pair.to(images.device), step.to(images.device)
                share = (step.double() * self.settings["step"]).clamp(max=1)
                masked = ranks[pair] < (share * ranks[0].numel()).round().view(-1, 1, 1)
                erased = torch.where(masked.unsqueeze(1), value, images[image[pair]])
                self.forwards += len(pair)
                scores = logits_of(self.model, erased, label[pair], self.num_classes, self.batch_size)
                return (scores < cuts[label[pair]]).cpu()

            flips[some] = SEARCHES[self.settings["search"]](negative, len(some), self.steps)

        flipped = flips <= self.steps
        areas = (flips.double() * self.settings["step"]).clamp(max=1)
        areas[~flipped] = NEVER_FLIPPED[self.settings["never_flipped"]]
        labels = labels.cpu()
        counted = ~areas.isnan()
        self.total.index_add_(0, labels[counted], areas[counted])
        self.support += torch.bincount(labels[counted], minlength=self.num_classes)
        self.never += torch.bincount(labels[~flipped], minlength=self.num_classes)
        result = torch.full(targets.shape, math.nan, dtype=torch.float64)
        result[owner.cpu(), labels] = areas
        return result

    def compute(self) -> MaskedOutResult:
        """Mean area per class in (0, 1], NaN without support; support is the number of pairs."""
        per_class = self.total / self.support.double()
        return MaskedOutResult(
            "masked_out_area", per_class, self.support.clone(), dict(self.settings), self.never.clone(), self.forwards
        )

    def merge(self, other: MaskedOutArea) -> MaskedOutArea:
        """Add another evaluator's sums to this one.

        Raises:
            ConfigError: the two do not measure the same thing.
        """
        if (self.num_classes, self.settings) != (other.num_classes, other.settings):
            raise ConfigError(f"Cannot merge masked-out areas of different options: {self.settings}, {other.settings}.")
        for name in ("total", "support", "never", "forwards"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


def scan(negative: Callable[[Tensor, Tensor], Tensor], pairs: int, steps: int) -> Tensor:
    """The first step at which each pair is negative, tried in order.

    Args:
        negative: pairs (B,), steps (B,) → (B,) bool.
        pairs: how many, numbered from 0.
        steps: the last step to try.

    Returns:
        (pairs,) int64 in [1, steps], steps + 1 for those that never are.

    Example:
        >>> scan(lambda pair, step: step > 2 + pair, pairs=2, steps=3)
        tensor([3, 4])
    """
    flips = torch.full((pairs,), steps + 1)
    open_pairs = torch.arange(pairs)
    for step in range(1, steps + 1):
        if not len(open_pairs):
            break
        found = negative(open_pairs, torch.full_like(open_pairs, step))
        flips[open_pairs[found]] = step
        open_pairs = open_pairs[~found]
    return flips


def bisect(negative: Callable[[Tensor, Tensor], Tensor], pairs: int, steps: int) -> Tensor:
    """The same by halving, for pairs that stay negative once they are; ⌈log2(steps + 1)⌉ forwards each.

    Example:
        >>> bisect(lambda pair, step: step > 2 + pair, pairs=2, steps=3)
        tensor([3, 4])
    """
    low, high = torch.ones(pairs, dtype=torch.int64), torch.full((pairs,), steps + 1)
    while True:
        open_pairs = torch.nonzero(low < high).flatten()
        if not len(open_pairs):
            return low
        middle = (low[open_pairs] + high[open_pairs]) // 2
        found = negative(open_pairs, middle)
        high[open_pairs[found]] = middle[found]
        low[open_pairs[~found]] = middle[~found] + 1


SEARCHES = {"scan": scan, "bisection": bisect}
