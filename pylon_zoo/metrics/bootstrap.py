"""Intervals by drawing the images, or the patients, again and again (Efron's percentile bootstrap), all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics.checks import checked
from pylon_zoo.metrics.doubt import LEVEL
from pylon_zoo.metrics.outcomes import Outcomes

CELLS_AT_ONCE = 4 * 1024 * 1024
"""Weights held in memory at a time (32 MiB of float64), however many images and draws there are."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Percentile intervals of one metric.

    Args:
        low: (K,) float64, lower end per class; NaN where the metric is undefined in every draw.
        high: (K,) likewise.
        macro: both ends for the plain mean over classes.
        weighted: both ends for the mean weighted by support; the weights are drawn along.

    Example:
        >>> draws = Bootstrap([str(i) for i in range(40)], replicates=100)
        >>> interval = draws.auroc(torch.arange(40.0)[:, None], (torch.arange(40) > 20).float()[:, None])
        >>> interval.macro
        (1.0, 1.0)
    """

    low: Tensor
    high: Tensor
    macro: tuple[float, float]
    weighted: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Draws of N images with replacement; images of one unit (a patient) are drawn together.

    The same draws serve every metric and every model, so that differences can be compared. Units are numbered in the
    order of their names: shuffled images give the same intervals.

    Args:
        units: N names, of the patient where known and else of the image.
        replicates: draws, B.
        seed: of the draws.
        level: in (0, 1).

    Raises:
        ConfigError: fewer than one draw, or the level is no share.

    Example:
        >>> draws = Bootstrap([str(i) for i in range(40)], replicates=500)
        >>> hits = Outcomes(torch.arange(40), torch.zeros(40).long(), torch.arange(40) % 2, torch.ones(40))
        >>> [round(end, 2) for end in draws.share(hits, classes=1).macro]  # binomial: 0.5 ± 0.15
        [0.35, 0.65]
    """

    units: Sequence[str]
    replicates: int = 1000
    seed: int = 0
    level: float = LEVEL

    def __post_init__(self) -> None:
        if self.replicates < 1 or not 0 < self.level < 1:
            raise ConfigError(
                f"A bootstrap needs at least one draw and a level between 0 and 1; got {self.replicates}, {self.level}."
            )

    def weights(self) -> Iterator[Tensor]:
        """(b, N) float64 at a time: how often each image is in each draw; B rows in all, the same at every call."""
        _, unit_of = np.unique(np.asarray(self.units), return_inverse=True)
        count = int(unit_of.max()) + 1 if len(unit_of) else 0
        generator = np.random.default_rng(self.seed)
        at_once = max(1, CELLS_AT_ONCE // max(1, len(unit_of)))
        for start in range(0, self.replicates, at_once):
            rows = [
                np.bincount(generator.integers(0, count, count), minlength=count)[unit_of]
                for _ in range(min(at_once, self.replicates - start))
            ]
            yield torch.from_numpy(np.stack(rows)).double()

    def share(self, outcomes: Outcomes, classes: int) -> Interval:
        """Intervals of the mean outcome per class, such as point accuracy.

        Args:
            outcomes: whose images index `units`.
            classes: K.
        """
        table, there = outcomes.table(len(self.units), classes)
        values = table.nan_to_num()
        return self._interval(lambda weights: (weights @ values, weights @ there.double()))

    def auroc(self, scores: Tensor, targets: Tensor) -> Interval:
        """Intervals of the AUROC per class; ties count one half.

        Args:
            scores: (N, K).
            targets: (N, K), 1 present, 0 absent, NaN unknown.

        Raises:
            DataError: shapes do not fit, a target is neither 0, 1 nor NaN, or a score is NaN.
        """
        scores, targets, known = checked("AUROC", scores, targets)
        if len(scores) != len(self.units):
            raise DataError(f"A bootstrap over {len(self.units)} images got scores of {len(scores)}.")
        classes = [_Ranked.of(scores[rows, k], targets[rows, k], rows) for k, rows in enumerate(known.unbind(1))]

        def statistic(weights: Tensor) -> tuple[Tensor, Tensor]:
            sums = [ranked.sums(weights) for ranked in classes]
            areas = torch.stack([area for area, _ in sums], dim=1)
            positives = torch.stack([count for _, count in sums], dim=1)
            return areas * positives, positives

        return self._interval(statistic)

    def _interval(self, statistic: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Interval:
        """From weights (b, N) to value · support and support, (b, K) each; then percentiles over all draws."""
        parts = [statistic(weights) for weights in self.weights()]
        totals, support = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        values = totals / support
        defined = ~values.isnan()
        weighted = totals.nan_to_num().sum(1) / (support * defined).sum(1)
        ends = torch.tensor([(1 - self.level) / 2, (1 + self.level) / 2], dtype=torch.float64)
        low, high = values.nanquantile(ends, dim=0)
        macro, mean = (one.nanquantile(ends).tolist() for one in (values.nanmean(1), weighted))
        return Interval(low, high, tuple(macro), tuple(mean))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """One class's images in the order of their scores, so that a draw costs two running sums."""

    order: Tensor
    present: Tensor
    first_of_tie: Tensor
    last_of_tie: Tensor

    @classmethod
    def of(cls, scores: Tensor, targets: Tensor, rows: Tensor) -> _Ranked:
        ordered, order = scores.sort()
        first = torch.searchsorted(ordered, ordered)
        last = torch.searchsorted(ordered, ordered, right=True)
        return cls(torch.nonzero(rows).flatten()[order], targets[order], first, last)

    def sums(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Area (NaN where one side was not drawn) and number of images with the class, (b,) each."""
        drawn = weights[:, self.order]
        present, absent = drawn * self.present, drawn * (1 - self.present)
        below = torch.nn.functional.pad(absent.cumsum(1), (1, 0))
        wins = present * (below[:, self.first_of_tie] + below[:, self.last_of_tie]) / 2
        positives = present.sum(1)
        return wins.sum(1) / (positives * absent.sum(1)), positives
