"""Which of a model's classes to explain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

NAMED_AT_MOST = 20


def select_labels(wanted: str | Iterable[str] | None, known: Sequence[str]) -> tuple[int, ...]:
    """Positions of the wanted labels, in the order asked for, each once.

    Args:
        wanted: label names, one name, or None for all.
        known: the model's labels.

    Returns:
        Indices into `known`.

    Raises:
        UnknownNameError: a name the model does not have.
        ConfigError: no name at all.

    Example:
        >>> select_labels(["mass", "nodule"], ("nodule", "mass", "effusion"))
        (1, 0)
    """
    if wanted is None:
        return tuple(range(len(known)))
    names = list(dict.fromkeys([wanted] if isinstance(wanted, str) else wanted))
    if not names:
        raise ConfigError("No label was asked for: name at least one, or leave labels out to get all.")
    for name in names:
        if name not in known:
            raise UnknownNameError(unknown_label(name, known))
    return tuple(known.index(name) for name in names)


def unknown_label(name: str, known: Sequence[str]) -> str:
    """What to tell who asked for a label that is not there."""
    listed = ", ".join(known[:NAMED_AT_MOST]) + (", …" if len(known) > NAMED_AT_MOST else "")
    return f"There is no label {name!r} among the {len(known)} of this model ({listed}).{suggest(name, known)}"
