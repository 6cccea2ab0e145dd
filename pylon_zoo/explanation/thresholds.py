"""From which probability on a class counts as found: as asked for, the model's own, or one half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pylon_zoo.errors import ConfigError

HALF = 0.5
"""What counts where neither a user nor the model says otherwise."""
SOURCES = {
    "asked": "as asked for",
    "model": "the model's own",
    "default": "the model has none of its own",
    "fitted": "fitted on another split",
}
"""Where thresholds come from → how results say it."""


@dataclass(frozen=True)
class Thresholds:
    """A probability per class, and where they come from.

    Args:
        values: K probabilities in (0, 1].
        source: a key of `SOURCES`.
    """

    values: tuple[float, ...]
    source: str = "default"

    @classmethod
    def chosen(cls, asked: float | None, own: Sequence[float] | None, classes: Sequence[int]) -> Thresholds:
        """What counts for some classes of a model.

        Args:
            asked: one for all classes, before anything else.
            own: the model's, one per class of it; None where it has none.
            classes: which of the model's.

        Raises:
            ConfigError: what is asked for is no probability in (0, 1].

        Example:
            >>> str(Thresholds.chosen(None, [0.25, 0.5, 0.75], [0, 2]))
            "0.25 to 0.75 by class (the model's own)"
        """
        if asked is not None:
            if not 0 < asked <= 1:
                raise ConfigError(f"threshold={asked} is not a probability in (0, 1].")
            return cls((float(asked),) * len(classes), "asked")
        if own is not None:
            return cls(tuple(own[index] for index in classes), "model")
        return cls((HALF,) * len(classes))

    def of(self, places: Sequence[int]) -> Thresholds:
        """Those of some classes, in that order."""
        return replace(self, values=tuple(self.values[place] for place in places))

    def __str__(self) -> str:
        """For people, with where they come from."""
        low, high = min(self.values), max(self.values)
        return f"{low:g}{'' if low == high else f' to {high:g} by class'} ({SOURCES[self.source]})"
