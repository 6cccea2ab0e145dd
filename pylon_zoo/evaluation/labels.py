"""Which of a model's classes is which of a dataset's: by name, never by position."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pylon_zoo.errors import ConfigError


def match_labels(model_labels: Sequence[str], dataset_classes: Sequence[str]) -> list[int | None]:
    """For every class of a dataset, the model's class of the same name.

    Case, blanks, dashes and underscores do not matter.

    Args:
        model_labels: K names.
        dataset_classes: L names.

    Returns:
        L indices into `model_labels`, None where the model has no such class.

    Raises:
        ConfigError: they have no class in common, or two names of one side become the same.

    Example:
        >>> match_labels(["mass", "pleural thickening"], ["Pleural_Thickening", "Hernia", "Mass"])
        [1, None, 0]
    """
    models, datasets = (_by_key(names) for names in (model_labels, dataset_classes))
    matches = [models.get(key) for key in datasets]
    if not any(match is not None for match in matches):
        raise ConfigError(
            f"The model's classes ({_shorten(model_labels)}) and the dataset's ({_shorten(dataset_classes)}) have no "
            "name in common. Give the checkpoint the dataset's label names, or evaluate on data it was trained for."
        )
    return matches


def _by_key(names: Sequence[str]) -> dict[str, int]:
    """Comparable name → index."""
    keys = {re.sub(r"[\s_-]+", " ", name).strip().casefold(): index for index, name in enumerate(names)}
    if len(keys) != len(names):
        raise ConfigError(f"Two of the class names {_shorten(names)} differ in case or blanks only; rename one.")
    return keys


def _shorten(names: Sequence[str], limit: int = 6) -> str:
    """The first few names."""
    return ", ".join(names[:limit]) + (f", … {len(names)} in all" if len(names) > limit else "")
