"""Intervals by drawing the images, or the patients, again and again (Efron's percentile bootstrap), all at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics.doubt import LEVEL
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.resampling import Mean, Ranking, Statistic

CELLS_AT_ONCE = 4 * 1024 * 1024
"""Weights held in memory at a time (32 MiB of float64), however many images and draws there are."""
DRAWS_AT_ONCE = 512
"""Draws at a time at most: figures of pooled counts hold 2,000 sums for each."""


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
    order of their names: shuffled images give the same intervals. A draw is a weight for each image, so that figures
    are sums and products over all draws at once (`pylon_zoo.metrics.resampling`).

    Args:
        units: N names, of the patient where known and else of the image.
        replicates: draws, B.
        seed: of the draws.
        level: in (0, 1).

    Raises:
        ConfigError: fewer than one draw, or the level is no share.

    Example:
        >>> draws = Bootstrap([str(i) for i in range(40)], replicates=500)
        >>> hits = Scored(torch.arange(40), torch.zeros(40).long(), torch.arange(40) % 2)
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
        at_once = min(DRAWS_AT_ONCE, max(1, CELLS_AT_ONCE // max(1, len(unit_of))))
        for start in range(0, self.replicates, at_once):
            rows = [
                np.bincount(generator.integers(0, count, count), minlength=count)[unit_of]
                for _ in range(min(at_once, self.replicates - start))
            ]
            yield torch.from_numpy(np.stack(rows)).double()

    def intervals(self, statistics: Iterable[Statistic]) -> dict[str, Interval]:
        """Intervals of figures, all of the same draws.

        Args:
            statistics: of `pylon_zoo.metrics.resampling`; their images index `units`.

        Returns:
            Name of a figure → its interval.
        """
        statistics = list(statistics)
        found: defaultdict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for weights in self.weights():
            for statistic in statistics:
                for name, figure in statistic(weights).items():
                    found[name].append(figure)
        return {name: self._interval(*map(torch.cat, zip(*parts, strict=True))) for name, parts in found.items()}

    def share(self, outcomes: Scored, classes: int) -> Interval:
        """Intervals of the mean outcome per class, such as point accuracy.

        Args:
            outcomes: whose images index `units`.
            classes: K.
        """
        return self.intervals([Mean("share", outcomes, classes)])["share"]

    def auroc(self, scores: Tensor, targets: Tensor) -> Interval:
        """Intervals of the AUROC per class; ties count one half.

        Args:
            scores: (N, K).
            targets: (N, K), 1 present, 0 absent, NaN unknown.

        Raises:
            DataError: shapes do not fit, a target is neither 0, 1 nor NaN, or a score is NaN.
        """
        if len(scores) != len(self.units):
            raise DataError(f"A bootstrap over {len(self.units)} images got scores of {len(scores)}.")
        return self.intervals([Ranking(scores, targets)])["auroc"]

    def _interval(self, values: Tensor, support: Tensor) -> Interval:
        """From values and support (B, K) in all draws to percentiles."""
        defined = ~values.isnan()
        weighted = (values * support).nan_to_num().sum(1) / (support * defined).sum(1)
        ends = torch.tensor([(1 - self.level) / 2, (1 + self.level) / 2], dtype=torch.float64)
        low, high = values.nanquantile(ends, dim=0)
        macro, mean = (one.nanquantile(ends).tolist() for one in (values.nanmean(1), weighted))
        return Interval(low, high, tuple(macro), tuple(mean))
