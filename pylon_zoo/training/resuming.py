"""Whether a run may go on by a recipe: it must be the run's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.sections import plain

FREE = ("description",)
"""Settings that change nothing; and of `data.name` the folder, as data may lie elsewhere on another machine."""


def check_same(recipe: Recipe, started: Recipe, folder: Path) -> None:
    """Refuse to go on by another recipe than the run was started by.

    Args:
        recipe: to go on by.
        started: the run's.
        folder: the run's, for the message.

    Raises:
        ConfigError: names the first setting that differs, with both values.

    Example:
        >>> check_same(Recipe(), Recipe(description="the same"), Path("run"))
    """
    now, before = (dict(_flat(plain(one))) for one in (recipe, started))
    for key in [*before, *(key for key in now if key not in before)]:
        if key not in FREE and now.get(key) != before.get(key):
            raise ConfigError(
                f"{recipe.origin.at(key)} = {now.get(key)!r}, but the run in {folder} was started with "
                f"{before.get(key)!r}. Resume it with its own recipe, or start anew with --overwrite."
            )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every setting."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value.partition(":")[0] if f"{prefix}{key}" == "data.name" else value
