"""Names of classes as they are written, and which of one list is which of another: by name, never by position."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

NORMAL = ("good", "normal", "free", "ok", "healthy", "negative", "no_finding", "defect_free", "nothing", "background")
"""What people call images that show none of the classes; compared in lower case, with `_` for blanks and dashes."""


def names_in(given: str | Sequence[str]) -> list[str]:
    """Names as a user gives them: a list, or one text with commas between them, as on a command line.

    Raises:
        ConfigError: no names, or one twice.

    Example:
        >>> names_in("Mass, Nodule"), names_in(["Mass"])
        (['Mass', 'Nodule'], ['Mass'])
    """
    names = [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else list(given)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"The names {names} must be one or more, each once.")
    return names


def normal_names(names: Sequence[str], normal: str | Sequence[str] | None) -> set[str]:
    """Which names stand for images that show nothing.

    Args:
        names: all there are.
        normal: those, as for `names_in`; None is the ones in `NORMAL`, and "-" none.

    Raises:
        UnknownNameError: one of them is not among the names.

    Example:
        >>> normal_names(["crack", "Good"], None), normal_names(["crack", "Good"], "-")
        ({'Good'}, set())
    """
    if normal is None:
        return {name for name in names if re.sub(r"[\s-]+", "_", name.strip().lower()) in NORMAL}
    if normal == "-":
        return set()
    given = names_in(normal)
    for name in given:
        if name not in names:
            raise UnknownNameError(
                f"There is no class '{name}' of normal images: there are {', '.join(names)}.{suggest(name, names)}"
            )
    return set(given)


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
    matches = same_names(model_labels, dataset_classes)
    if not any(match is not None for match in matches):
        raise ConfigError(
            f"The model's classes ({_shorten(model_labels)}) and the dataset's ({_shorten(dataset_classes)}) have no "
            "name in common. Give the checkpoint the dataset's label names, or evaluate on data it was trained for."
        )
    return matches


def same_names(names: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """For every wanted name its index in `names`, None where it is not there; names compare as in `match_labels`.

    Raises:
        ConfigError: two names of one side become the same.
    """
    known, keys = (_by_key(side) for side in (names, wanted))
    return [known.get(key) for key in keys]


def _by_key(names: Sequence[str]) -> dict[str, int]:
    """Comparable name → index."""
    keys = {re.sub(r"[\s_-]+", " ", name).strip().casefold(): index for index, name in enumerate(names)}
    if len(keys) != len(names):
        raise ConfigError(f"Two of the class names {_shorten(names)} differ in case or blanks only; rename one.")
    return keys


def _shorten(names: Sequence[str], limit: int = 6) -> str:
    """The first few names."""
    return ", ".join(names[:limit]) + (f", … {len(names)} in all" if len(names) > limit else "")
