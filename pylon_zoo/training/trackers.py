"""Experiment trackers, through Accelerate: a run's epochs as scalars in TensorBoard or Weights & Biases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.optional import require


@dataclass(frozen=True)
class TrackerKind:
    """What a tracker needs.

    Args:
        package: what must be installed; `pip install "pylon-zoo[trackers]"` brings it.
        where: where its records are found.
    """

    package: str
    where: str


TRACKERS = {
    "tensorboard": TrackerKind("tensorboard", "a folder of event files; `tensorboard --logdir` shows it"),
    "wandb": TrackerKind("wandb", "the project of that name on wandb.ai, or ./wandb with WANDB_MODE=offline"),
}
"""Accelerate's name for a tracker → what it needs: `Accelerator(log_with=[…])` takes the names."""


def check_tracker(name: str) -> None:
    """Refuse what is no key of `TRACKERS`.

    Raises:
        UnknownNameError: suggests the nearest.
    """
    if name not in TRACKERS:
        near = suggest(name, TRACKERS) or f" There are {', '.join(TRACKERS)}."
        raise UnknownNameError(f"Unknown tracker {name!r}.{near}")


def check_trackers(names: Sequence[str]) -> list[str]:
    """Names of trackers as Accelerate takes them, once each, before a run depends on them.

    Args:
        names: keys of `TRACKERS`.

    Raises:
        UnknownNameError: there is no such tracker; suggests the nearest.
        MissingDependencyError: its package is not installed.

    Example:
        >>> check_trackers([])
        []
        >>> check_trackers(["tensorbord"])
        Traceback (most recent call last):
        pylon_zoo.errors.UnknownNameError: Unknown tracker 'tensorbord'. Did you mean 'tensorboard'?
    """
    for name in names:
        check_tracker(name)
        require(TRACKERS[name].package, extra="trackers")
    return list(dict.fromkeys(names))


def scalars(epoch: Any, prefix: str = "") -> dict[str, float]:
    """An epoch's numbers under flat names, as `accelerator.log(scalars(epoch), step=epoch.epoch)` takes them.

    Args:
        epoch: a dataclass or a table, such as `pylon_zoo.training.loop.Epoch`; those in it are named `outer/inner`.
        prefix: put before every name.

    Returns:
        Every number that is finite, true and false as 1 and 0; text, None, NaN and infinity are left out.

    Example:
        >>> scalars({"loss": 0.5, "best": True, "validation": {"auroc": float("nan"), "loss": 0.25}})
        {'loss': 0.5, 'best': 1.0, 'validation/loss': 0.25}
    """
    if is_dataclass(epoch):
        epoch = {one.name: getattr(epoch, one.name) for one in fields(epoch)}
    flat: dict[str, float] = {}
    for name, value in epoch.items():
        if isinstance(value, Mapping) or is_dataclass(value):
            flat |= scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and math.isfinite(value):
            flat[f"{prefix}{name}"] = float(value)
    return flat
