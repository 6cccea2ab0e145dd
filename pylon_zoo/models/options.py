"""Checks of options' values, worded alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from pylon_zoo.errors import ConfigError


def check_option(name: str, value: object, valid: tuple[object, ...] = (), at_least: int | None = None) -> None:
    """Refuse an option's value that cannot work, naming the valid ones.

    Args:
        name: the option, as the user writes it.
        value: what was given.
        valid: the values that work, or
        at_least: the smallest whole number that works.

    Raises:
        ConfigError: `value` is none of them.
    """
    if at_least is not None:
        if not _is_whole(value) or value < at_least:
            raise ConfigError(f"{name}={value!r} is not valid; give a whole number from {at_least} up.")
    elif value not in valid or isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} is not valid; give one of {', '.join(map(repr, valid))}.")


def check_flag(name: str, value: object) -> None:
    """Refuse an option's value that is neither True nor False, such as a word from a file.

    Raises:
        ConfigError: `value` is no bool.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} is not valid; give one of True, False.")


def check_share(name: str, value: object) -> None:
    """Refuse an option's value that is no share of something, such as a dropout rate.

    Raises:
        ConfigError: `value` is no number from 0 to below 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(f"{name}={value!r} is not valid; give a number from 0 to below 1.")


def as_pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """A size in pixels as (height, width); one number is a square.

    Args:
        name: the option it was given for.
        size: a whole number from 1 up, or two of them.

    Raises:
        ConfigError: it is neither.

    Example:
        >>> as_pair("img_size", 224), as_pair("img_size", [300, 417])
        ((224, 224), (300, 417))
    """
    sides = (size, size) if _is_whole(size) else size
    if not isinstance(sides, Sequence) or len(sides) != 2 or not all(_is_whole(side) and side > 0 for side in sides):
        raise ConfigError(f"{name}={size!r} is not valid; give the side of a square, or (height, width), in pixels.")
    return sides[0], sides[1]


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
