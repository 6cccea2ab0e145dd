"""How each figure follows from the images of a draw, for all draws at once: what a `Bootstrap` is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pylon_zoo.metrics.calibration import BINS
from pylon_zoo.metrics.checks import checked, checked_probabilities
from pylon_zoo.metrics.outcomes import Outcomes, Scored

Figures = Mapping[str, tuple[Tensor, Tensor]]
"""Name of a figure → its values (b, K) float64, NaN where undefined, and their support (b, K), in each of b draws."""
Statistic = Callable[[Tensor], Figures]
"""From how often each image is in each draw, (b, N) float64, to figures of that draw."""

PAIRS_AT_ONCE = 4096
"""Pairs whose scores are multiplied by weights at a time; the scores are made float64 for it."""


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean over (image, class) pairs.

    Args:
        name: of the figure.
        scored: the pairs, one value each; a NaN leaves its pair out.
        classes: K.

    Example:
        >>> hits = Scored(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([1.0, 0.0]))
        >>> share, support = Mean("hits", hits, 1)(torch.tensor([[2.0, 0.0], [1.0, 3.0]]).double())["hits"]
        >>> share.tolist(), support.tolist()
        ([[1.0], [0.25]], [[2.0], [4.0]])
    """

    name: str
    scored: Scored
    classes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scored", self.scored.take(~self.scored.values.isnan()))

    def __call__(self, weights: Tensor) -> Figures:
        """The figure in each draw."""
        drawn, values = weights[:, self.scored.images], self.scored.values.double()
        support = _by_label(drawn, self.scored.labels, self.classes)
        return {self.name: (_by_label(drawn * values, self.scored.labels, self.classes) / support, support)}

    @property
    def shares(self) -> tuple[Tensor, Tensor] | None:
        """Hits and cases, (K,) each, where every pair is a hit or a miss; else None."""
        values = self.scored.values.double()
        if not bool(((values == 0) | (values == 1)).all()):
            return None
        cases = torch.bincount(self.scored.labels, minlength=self.classes)
        return torch.bincount(self.scored.labels, values, minlength=self.classes), cases


@dataclass(frozen=True, eq=False)
class Pooled:
    """A figure of counts that are added up over a class's pairs first.

    Args:
        name: of the figure.
        scored: the pairs; `values` (P, …) are their counts.
        classes: K.
        value: sums (b, …) float64 and the number of pairs (b,) → the figure (b,).
    """

    name: str
    scored: Scored
    classes: int
    value: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, weights: Tensor) -> Figures:
        """The figure in each draw, class by class."""
        values, supports = [], []
        for label in range(self.classes):
            rows = (self.scored.labels == label).nonzero().flatten()
            support = weights[:, self.scored.images[rows]].sum(1)
            if not len(rows):
                values.append(torch.full_like(support, torch.nan))
            else:
                values.append(self.value(self._sums(weights, rows), support).masked_fill(support == 0, torch.nan))
            supports.append(support)
        return {self.name: (torch.stack(values, dim=1), torch.stack(supports, dim=1))}

    def _sums(self, weights: Tensor, rows: Tensor) -> Tensor:
        """(b, …) sums of the counts of some pairs."""
        shape = self.scored.values.shape[1:]
        sums = weights.new_zeros(len(weights), shape.numel())
        for some in rows.split(PAIRS_AT_ONCE):
            counts = self.scored.values[some].flatten(1).double()
            sums.addmm_(weights[:, self.scored.images[some]], counts)
        return sums.view(len(weights), *shape)


class Ranking:
    """AUROC, ties counting one half, and average precision of scores, `"auroc"` and `"auprc"`.

    Args:
        scores: (N, K).
        targets: (N, K), 1 present, 0 absent, NaN unknown.

    Raises:
        DataError: shapes do not fit, a target is neither 0, 1 nor NaN, or a score is NaN.
    """

    def __init__(self, scores: Tensor, targets: Tensor) -> None:
        scores, targets, known = checked("AUROC", scores, targets)
        self.images = len(scores)
        self.classes = [_Ranked.of(scores[rows, k], targets[rows, k], rows) for k, rows in enumerate(known.unbind(1))]

    def __call__(self, weights: Tensor) -> Figures:
        """Both figures in each draw."""
        areas, precisions, positives = (
            torch.stack(one, dim=1) for one in zip(*(ranked.figures(weights) for ranked in self.classes), strict=True)
        )
        return {"auroc": (areas, positives), "auprc": (precisions, positives)}


@dataclass(frozen=True, eq=False)
class _Ranked:
    """One class's images in the order of their scores, so that a draw costs two running sums.

    Args:
        present, absent: images with the class, and without it, lowest score first.
        below, until: per image with the class, how many without it score less, and how many no more.
        first: per image with the class, how many with it score less.
    """

    present: Tensor
    absent: Tensor
    below: Tensor
    until: Tensor
    first: Tensor

    @classmethod
    def of(cls, scores: Tensor, targets: Tensor, rows: Tensor) -> _Ranked:
        images = torch.nonzero(rows).flatten()
        sides = [(images[targets == truth], *scores[targets == truth].sort()) for truth in (1, 0)]
        (present, high, order), (absent, low, other) = sides
        below, until = (torch.searchsorted(low, high, right=right) for right in (False, True))
        return cls(present[order], absent[other], below, until, torch.searchsorted(high, high))

    def figures(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Area, average precision (NaN where one side was not drawn) and number of images with the class, (b,) each."""
        present = weights[:, self.present]
        true, false = (functional.pad(one.cumsum(1), (1, 0)) for one in (present, weights[:, self.absent]))
        positives, negatives = true[:, -1], false[:, -1]
        below = false[:, self.below]
        area = (present * (below + false[:, self.until])).sum(1) / (2 * positives * negatives)
        # Of those at or above each score: how many have the class, and how many have not.
        right, wrong = positives.unsqueeze(1) - true[:, self.first], negatives.unsqueeze(1) - below
        precision = (present * right / (right + wrong).clamp(min=1)).sum(1) / positives
        return area, precision.masked_fill(negatives == 0, torch.nan), positives


class Pointing:
    """The results of `pylon_zoo.metrics.pointing`: means and medians of offsets, and shares of the fullest cells.

    Args:
        outcomes: of `PairMetric.judge`.
        classes: K.
    """

    def __init__(self, outcomes: Outcomes, classes: int) -> None:
        known = outcomes.take(~outcomes.offsets.isnan().any(dim=1))
        self.parts = [known.take(known.labels == label) for label in range(classes)]

    def __call__(self, weights: Tensor) -> Figures:
        """All figures in each draw."""
        found: dict[str, list[Tensor]] = {}
        supports = []
        for part in self.parts:
            drawn = weights[:, part.images]
            support = drawn.sum(1)
            supports.append(support)
            offsets = part.offsets.double()
            means = (drawn @ offsets / support.unsqueeze(1)).unbind(1)
            medians = [weighted_median(one, drawn) for one in offsets.unbind(1)]
            shares = [_fullest(places, drawn) / support for places in part.places.unbind(1)]
            names = ("offset_down", "offset_right", "median_down", "median_right", "same_place", "same_place_boxes")
            for name, value in zip(names, (*means, *medians, *shares), strict=True):
                found.setdefault(name, []).append(value)
        support = torch.stack(supports, dim=1)
        return {name: (torch.stack(values, dim=1), support) for name, values in found.items()}


class CalibrationError:
    """Expected calibration error, as `pylon_zoo.metrics.Reliability` has it.

    Args:
        name: of the figure.
        probabilities: (N, K) in [0, 1].
        targets: (N, K), 1 present, 0 absent, NaN unknown.
        bins: of equal width.

    Raises:
        DataError: the shapes differ, a target is neither 0, 1 nor NaN, or a probability is none.
    """

    def __init__(self, name: str, probabilities: Tensor, targets: Tensor, bins: int = BINS) -> None:
        self.name, self.bins = name, bins
        probabilities, targets, known = checked_probabilities("Calibration", probabilities, targets)
        self.place = (probabilities.nan_to_num() * bins).long().clamp(max=bins - 1)
        self.gaps, self.known = (targets - probabilities).masked_fill(~known, 0.0), known

    def __call__(self, weights: Tensor) -> Figures:
        """The figure in each draw."""
        support = weights @ self.known.double()
        errors = [
            _by_label(weights * gap, place, self.bins).abs().sum(1)
            for gap, place in zip(self.gaps.unbind(1), self.place.unbind(1), strict=True)
        ]
        return {self.name: (torch.stack(errors, dim=1) / support, support)}


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """The median of values that are there so many times, the mean of the two in the middle where their number is even.

    Args:
        values: (P,) float64.
        weights: (b, P) whole numbers.

    Returns:
        (b,), NaN where nothing is there.

    Example:
        >>> weighted_median(torch.tensor([3.0, 1.0, 2.0]).double(), torch.tensor([[1, 1, 1], [2, 2, 0]]).double())
        tensor([2., 2.], dtype=torch.float64)
    """
    if not len(values):
        return weights.new_full((len(weights),), torch.nan)
    ordered, order = values.sort()
    until = weights[:, order].cumsum(1).contiguous()
    total = until[:, -1:]
    middle = torch.cat([((total - 1) / 2).floor(), (total / 2).floor()], dim=1).clamp(min=0)
    places = torch.searchsorted(until, middle, right=True).clamp(max=len(values) - 1)
    return ordered[places].mean(1).masked_fill(total[:, 0] == 0, torch.nan)


def _fullest(places: Tensor, drawn: Tensor) -> Tensor:
    """(b,) how many of the drawn pairs share the place where most are."""
    if not len(places):
        return drawn.new_zeros(len(drawn))
    distinct, index = places.unique(return_inverse=True)
    return _by_label(drawn, index, len(distinct)).amax(1)


def _by_label(values: Tensor, labels: Tensor, count: int) -> Tensor:
    """(b, count) sums of values (b, P) by label."""
    return values.new_zeros(len(values), count).index_add_(1, labels, values)
