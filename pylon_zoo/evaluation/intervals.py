"""Intervals of an evaluation's figures, all of the same draws of its images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pylon_zoo.metrics.bootstrap import Bootstrap, Interval
from pylon_zoo.metrics.doubt import wilson_interval
from pylon_zoo.metrics.resampling import Mean, Pointing, Statistic
from pylon_zoo.metrics.scores import Scores

ENDS = ("low", "high")
"""Of an interval."""


def intervals(draws: Bootstrap, statistics: Iterable[Statistic]) -> dict[str, Interval]:
    """Bootstrap intervals; a class that always or never hits has Wilson's, because its draws cannot vary.

    Args:
        draws: of the images.
        statistics: of the figures.

    Returns:
        Name of a figure → its interval.
    """
    statistics = list(statistics)
    found = draws.intervals(statistics)
    for statistic in statistics:
        if isinstance(statistic, Mean) and (shares := statistic.shares) is not None:
            drawn = found[statistic.name]
            low, high = wilson_interval(*shares, draws.level)
            varied = drawn.low < drawn.high
            found[statistic.name] = replace(
                drawn, low=drawn.low.where(varied, low), high=drawn.high.where(varied, high)
            )
    return found


def localization_statistics(scores: Scores, chosen: Sequence[int]) -> Iterator[Statistic]:
    """How the localization figures of some of the model's classes follow from the images of a draw."""
    outcomes = scores.outcomes.select(chosen)
    yield Mean("point_accuracy", outcomes, len(chosen))
    yield Pointing(outcomes, len(chosen))
    for name, judge in scores.others.items():
        yield judge.statistic(name, scores.scored[name].select(chosen), len(chosen))
