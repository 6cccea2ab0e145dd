"""Settings given on the command line, as a layer on top of a recipe: `key=value` with a dotted key and a TOML value."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pylon_zoo.errors import ConfigError


def changes_of(overrides: Sequence[str]) -> tuple[dict[str, Any], frozenset[str]]:
    """Overrides as a layer of settings for `inherit`, and their dotted keys.

    Args:
        overrides: as for `load_recipe`.

    Raises:
        ConfigError: one is not of the form key=value, or sets something inside a value.

    Example:
        >>> changes_of(["loop.seed=1", "loop.seed=2"])
        ({'loop': {'seed': 2}}, frozenset({'loop.seed'}))
    """
    settings = dict(parse_override(text) for text in overrides)
    changes: dict[str, Any] = {}
    for key, value in settings.items():
        _put(changes, key, value)
    return changes, frozenset(settings)


def parse_override(text: str) -> tuple[str, Any]:
    """`"optimizer.lr=1e-3"` as dotted key and value.

    Raises:
        ConfigError: not of that form.

    Example:
        >>> parse_override("optimizer.lr=1e-3"), parse_override("data.augmentation=flip")
        (('optimizer.lr', 0.001), ('data.augmentation', 'flip'))
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"--set {text!r} is not of the form key=value, for example optimizer.lr=1e-3.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        # A shell eats the quotes of a string, so a plain word stands for itself.
        if re.fullmatch(r"[A-Za-z_./~][\w./:~@+-]*", value):
            return key, value
        raise ConfigError(
            f'--set {key}: {value!r} is not a TOML value (a number, true, false, "text", [a, b]).'
        ) from None


def data_settings(options: Mapping[str, Any]) -> list[str]:
    """A dataset's options as settings of a recipe.

    Example:
        >>> data_settings({"masks": False, "classes": "Mass,Nodule"})
        ['data.options.masks=false', 'data.options.classes="Mass,Nodule"']
    """
    return [f"data.options.{key}={json.dumps(value, ensure_ascii=False)}" for key, value in options.items()]


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested tables."""
    *sections, last = key.split(".")
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: '{section}' is a value, not a section with settings in it.")
        table = inner
    table[last] = value
