"""One outcome per (image, class): what averages hide, and what resampling, strata and pictures need."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Self

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.doubt import LEVEL, wilson_interval

AREA_EDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the image; NIH nodules cover 0.01 and hearts 0.18 of it on average."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What each of P judged pairs of an image and a class scored.

    Args:
        images: (P,) int64, the image's place in the dataset.
        labels: (P,) int64, the class.
        values: (P,) or (P, …), what a metric makes its figure of; a NaN says nothing.

    Example:
        >>> pairs = Scored(torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
        >>> pairs.select([0]).values.tolist()
        [1.0]
    """

    images: Tensor
    labels: Tensor
    values: Tensor

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Several parts as one; their image numbers must already be those of the whole."""
        if not parts:
            whole, empty = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
            return cls(whole, whole, *(empty for one in fields(cls)[2:] if one.default_factory is MISSING))
        return cls(*(torch.cat([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def take(self, rows: Tensor) -> Self:
        """Some of the pairs, by their numbers or a mask (P,)."""
        return type(self)(*(getattr(self, one.name)[rows] for one in fields(self)))

    def select(self, classes: Sequence[int]) -> Self:
        """The pairs of some classes, renumbered in the order asked for."""
        place = {label: index for index, label in enumerate(classes)}
        labels = torch.tensor([place.get(label, -1) for label in self.labels.tolist()], dtype=torch.int64)
        kept = labels >= 0
        return replace(self, labels=labels).take(kept)


@dataclass(frozen=True, eq=False)
class Outcomes(Scored):
    """A value for each of P judged pairs of an image and a class, and where the peak lies.

    Args:
        images: (P,) int64, the image's place in the dataset.
        labels: (P,) int64, the class.
        values: (P,) 1 for a hit and 0 for a miss, or a value in between.
        areas: (P,) the class's boxes' area as a share of the image, overlaps counted twice, at most 1.
        offsets: (P, 2) vertical and horizontal pixels from the nearest box's centre to the map's peak; NaN where
            nobody looked, as by default.
        places: (P, 2) int64, the cells that the peak and that centre lie in; -1 by default.

    Example:
        >>> pairs = Outcomes(torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([1, 0]), torch.tensor([0.1, 0.2]))
        >>> pairs.table(3, 2)[0]
        tensor([[nan, 1.],
                [nan, nan],
                [0., nan]], dtype=torch.float64)
    """

    areas: Tensor
    offsets: Tensor = field(default_factory=lambda: torch.zeros(0, 2))
    places: Tensor = field(default_factory=lambda: torch.zeros(0, 2, dtype=torch.int64))

    def __post_init__(self) -> None:
        count = len(self.images)
        if not len(self.offsets):
            object.__setattr__(self, "offsets", torch.full((count, 2), torch.nan))
        if not len(self.places):
            object.__setattr__(self, "places", torch.full((count, 2), -1, dtype=torch.int64))

    def table(self, images: int, classes: int) -> tuple[Tensor, Tensor]:
        """(N, K) float64 values, NaN where nothing was judged, and (N, K) bool where something was."""
        table = torch.full((images, classes), float("nan"), dtype=torch.float64)
        table[self.images, self.labels] = self.values.double()
        return table, ~table.isnan()


@dataclass(frozen=True, eq=False)
class Strata:
    """Hits by box area over all classes; stratum s holds shares in [edges[s], edges[s + 1]), the last one also 1.

    Args:
        edges: S + 1 shares of the image.
        hits: (S,) float64.
        cases: (S,) int64.
        pairs: what was sorted, with the stratum in the class's place, for intervals by drawing images.

    Example:
        >>> pairs = Outcomes(torch.arange(2), torch.zeros(2).long(), torch.tensor([0, 1]), torch.tensor([0.005, 0.2]))
        >>> strata = Strata.of(pairs, edges=(0, 0.01, 1))
        >>> strata.hits.tolist(), strata.cases.tolist()
        ([0.0, 1.0], [1, 1])
    """

    edges: tuple[float, ...]
    hits: Tensor
    cases: Tensor
    pairs: Scored

    @classmethod
    def of(cls, outcomes: Outcomes, edges: Sequence[float] = AREA_EDGES) -> Strata:
        """Sort pairs by area.

        Args:
            outcomes: of point accuracy.
            edges: rising, from 0 to 1.

        Raises:
            ConfigError: the edges do not rise from 0 to 1.
        """
        rising = all(a < b for a, b in itertools.pairwise(edges))
        if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not rising:
            raise ConfigError(f"The edges of areas must rise from 0 to 1; got {tuple(edges)}.")
        count = len(edges) - 1
        place = torch.bucketize(outcomes.areas.double(), torch.tensor(edges[1:-1], dtype=torch.float64), right=True)
        hits = torch.zeros(count, dtype=torch.float64).index_add(0, place, outcomes.values.double())
        cases = torch.bincount(place, minlength=count)
        sorted_pairs = Scored(outcomes.images, place, outcomes.values)
        return cls(tuple(float(edge) for edge in edges), hits, cases, sorted_pairs)

    def interval(self, level: float = LEVEL) -> tuple[Tensor, Tensor]:
        """Wilson's interval of the share of hits, (S,) each, NaN for an empty stratum."""
        return wilson_interval(self.hits, self.cases, level)
