"""Every setting of a recipe in a table, read off the dataclasses that are its schema."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, is_dataclass
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.schedule import SCHEDULES
from pylon_zoo.training.sections import BOUNDS, KINDS, dump, settings_of


class Setting(NamedTuple):
    """A line of the table.

    Args:
        key: dotted, as `--set` takes it.
        default: as TOML; empty where a recipe need not say anything.
        values: what it may be.
        meaning: the schema's own words.
    """

    key: str
    default: str
    values: str
    meaning: str


def all_settings() -> list[Setting]:
    """The settings of a recipe in the order of its file, each schedule's options after the schedule's.

    Example:
        >>> next(one for one in all_settings() if one.key == "data.size")[:3]
        ('data.size', '256', 'a whole number, at least 32')
    """
    table = []
    for section in _settings(Recipe, ""):
        table.append(section)
        if section.key == "schedule.options":
            for name, schedule in SCHEDULES.items():
                options = _settings(schedule, f"{section.key}.")
                table += [one._replace(meaning=f"{name}: {one.meaning}") for one in options]
    return table


def settings_table() -> str:
    """`all_settings` as a table in Markdown."""
    lines = ["| setting | default | values | |", "|---|---|---|---|"]
    for one in all_settings():
        default = f"`{one.default}`" if one.default else ""
        lines.append(f"| `{one.key}` | {default} | {one.values} | {one.meaning} |")
    return "\n".join(lines)


def meanings(schema: type) -> dict[str, str]:
    """What the "Args:" of a class's docstring say of each argument.

    Example:
        >>> meanings(Setting)["values"]
        'what it may be.'
    """
    text = inspect.getdoc(schema) or ""
    block = re.search(r"^Args:\n((?:    .*\n?)+)", text, flags=re.MULTILINE)
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n     .*)*)", block[1] if block else "", flags=re.MULTILINE)
    return {name: " ".join(words.split()) for names, words in entries for name in names.split(", ")}


def _settings(schema: type, prefix: str) -> Iterator[Setting]:
    hints, words = get_type_hints(schema), meanings(schema)
    for one in settings_of(schema):
        key = f"{prefix}{one.name}"
        if is_dataclass(hints[one.name]):
            yield from _settings(hints[one.name], f"{key}.")
        else:
            yield Setting(key, _default(one), _values(hints[one.name], one.metadata), words[one.name])


def _default(one: Field[Any]) -> str:
    value = None if one.default is MISSING else one.default
    return "" if value is None else dump({"x": value}).partition(" = ")[2].strip()


def _values(kind: Any, metadata: Mapping[str, Any]) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    several = get_origin(kind) is tuple
    kind = get_args(kind)[0] if several else get_origin(kind) or kind
    choices = metadata.get("choices", ())
    words = " or ".join(f"`{one}`" for one in choices) or KINDS[kind][0]
    limits = [f"{BOUNDS[name][0]} {bound}" for name, bound in metadata.get("bounds", {}).items()]
    return ", ".join([f"a list, each {words}" if several else words, *limits])
