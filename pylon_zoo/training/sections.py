"""Tables of settings to dataclasses, strictly, and back to TOML.

A dataclass is the schema: its field types, defaults and the bounds given to `setting` are all that is checked, so a new
setting is one line where it belongs.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from itertools import takewhile
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

T = TypeVar("T")
Bound = tuple[str, Callable[[Any, Any], bool]]

BOUNDS: dict[str, Bound] = {
    "at_least": ("at least", lambda value, bound: value >= bound),
    "at_most": ("at most", lambda value, bound: value <= bound),
    "above": ("above", lambda value, bound: value > bound),
    "below": ("below", lambda value, bound: value < bound),
}
KINDS: dict[type, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("a string", (str,)),
    dict: ("a table", (dict,)),
}


def setting(default: Any, *, choices: Sequence[str] = (), **bounds: float) -> Any:
    """A dataclass field with the values it may take.

    Args:
        default: its value when the file does not set it.
        choices: the only strings allowed, when given; they and bounds hold for every element of a list.
        **bounds: `at_least`, `at_most`, `above`, `below`.
    """
    return field(default=default, metadata={"choices": tuple(choices), "bounds": bounds})


@dataclass(frozen=True)
class Origin:
    """Where settings came from, for messages: a file, with some keys set on the command line instead.

    Args:
        file: path or name of the file.
        overridden: dotted keys given by `--set`.
    """

    file: str
    overridden: frozenset[str] = frozenset()

    def at(self, key: str) -> str:
        """How a message names one setting, or all that were given of those below it.

        Example:
            >>> Origin("a.toml", frozenset({"loop.seed"})).at("loop.seed"), Origin("a.toml").at("loop.seed")
            ('--set loop.seed', 'a.toml: loop.seed')
        """
        given = sorted(one for one in self.overridden if one == key or one.startswith(f"{key}."))
        return f"--set {', '.join(given)}" if given else f"{self.file}: {key}"


def build(schema: type[T], table: Mapping[str, Any], origin: Origin, prefix: str = "") -> T:
    """A table of settings as an instance of a dataclass.

    Args:
        schema: a dataclass; fields may be bool, int, float, str, a table (`dict`), `tuple[float, ...]`,
            `tuple[str, ...]`, another dataclass, a `tuple` of those, or one of these `| None`.
        table: the settings, as `tomllib` reads them.
        origin: where they are from.
        prefix: dotted key of `table` itself.

    Returns:
        The instance; fields that the table does not set have their defaults.

    Raises:
        UnknownNameError: a key is not a field; names the nearest.
        ConfigError: a value has the wrong type or cannot be.

    Example:
        >>> @dataclass
        ... class Loop:
        ...     seed: int = setting(0, at_least=0)
        >>> build(Loop, {"seed": 3}, Origin("a.toml"))
        Loop(seed=3)
        >>> build(Loop, {"sed": 3}, Origin("a.toml"))
        Traceback (most recent call last):
        pylon_zoo.errors.UnknownNameError: a.toml: sed is not a setting. Did you mean 'seed'?
    """
    known = {one.name: one for one in settings_of(schema)}
    check_keys(table, known, origin, prefix)
    kind: type = schema
    hints = _hints(kind)
    return schema(
        **{
            key: _value(hints[key], value, known[key].metadata, origin, f"{prefix}{key}")
            for key, value in table.items()
        }
    )


def check_keys(table: Iterable[str], known: Iterable[str], origin: Origin, prefix: str = "") -> None:
    """Refuse keys that are not among the known ones.

    Raises:
        UnknownNameError: names the key as in `build`, and the nearest.
    """
    known = list(known)
    for key in table:
        if key not in known:
            near = suggest(key, known) or f" The settings here are {', '.join(known) or 'none'}."
            raise UnknownNameError(f"{origin.at(f'{prefix}{key}')} is not a setting.{near}")


def dump(table: Mapping[str, Any]) -> str:
    """A table as TOML text that `tomllib` reads back to the same table; None is left out, as TOML has no word for it.

    Args:
        table: strings, booleans, numbers, lists of those, tables, and lists of tables.

    Example:
        >>> print(dump({"seed": 0, "model": {"architecture": "pylon_resnet18"}}), end="")
        seed = 0
        <BLANKLINE>
        [model]
        architecture = "pylon_resnet18"
    """
    return "\n".join(_blocks(table, ""))


def notes_of(text: str) -> tuple[str, ...]:
    """The lines of the comment that a TOML text begins with.

    Example:
        >>> notes_of("# why\\n# so\\n\\nseed = 0  # any\\n")
        ('why', 'so')
    """
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return tuple(line.removeprefix("#").strip() for line in lines)


def plain(instance: Any) -> dict[str, Any]:
    """A dataclass instance as a table of what `dump` writes; tuples become lists, None is left out."""
    return {
        one.name: _plain_value(getattr(instance, one.name))
        for one in settings_of(instance)
        if getattr(instance, one.name) is not None
    }


def settings_of(schema: Any) -> list[Field[Any]]:
    """The fields of a dataclass that a file may set: constructor arguments, less those marked as internal."""
    return [one for one in fields(schema) if one.init and not one.metadata.get("internal")]


@cache
def _hints(schema: type) -> dict[str, Any]:
    """The types of a dataclass's fields, which Python evaluates anew at every question."""
    return get_type_hints(schema)


def _plain_value(value: Any) -> Any:
    if is_dataclass(value):
        return plain(value)
    return [_plain_value(one) for one in value] if isinstance(value, tuple) else value


def _value(kind: Any, value: Any, metadata: Mapping[str, Any], origin: Origin, dotted: str) -> Any:
    """One value, checked against its type and bounds."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        _check_kind(dict, value, origin, dotted)
        return build(kind, value, origin, f"{dotted}.")
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        tables = dataclasses.is_dataclass(element)
        if not isinstance(value, list | tuple) or not value:
            words = KINDS[dict if tables else element][0].removeprefix("a ")
            raise ConfigError(f"{origin.at(dotted)} must be a list of at least one {words}; it is {value!r}.")
        keys = [f"{dotted}[{place}]" if tables else dotted for place, _ in enumerate(value, 1)]
        return tuple(_value(element, one, metadata, origin, key) for one, key in zip(value, keys, strict=True))
    kind = get_origin(kind) or kind
    _check_kind(kind, value, origin, dotted)
    if kind is float and not math.isfinite(value):
        raise ConfigError(f"{origin.at(dotted)} = {value!r} is not possible: it must be finite.")
    choices = metadata.get("choices", ())
    if choices and value not in choices:
        near = suggest(value, choices) or f" It can be {', '.join(map(repr, choices))}."
        raise ConfigError(f"{origin.at(dotted)} = {value!r} is not possible.{near}")
    for name, bound in metadata.get("bounds", {}).items():
        words, holds = BOUNDS[name]
        if not holds(value, bound):
            raise ConfigError(f"{origin.at(dotted)} = {value!r} is not possible: it must be {words} {bound}.")
    return float(value) if kind is float else value


def _check_kind(kind: type, value: Any, origin: Origin, dotted: str) -> None:
    words, accepted = KINDS[kind]
    # In Python, though not in TOML, true is a whole number.
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{origin.at(dotted)} must be {words}; it is {value!r}.")


def _blocks(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """The TOML blocks of a table: its own values under its header, then its inner tables."""
    inner = {key: value for key, value in table.items() if _is_tables(value)}
    values = {key: value for key, value in table.items() if key not in inner and value is not None}
    lines = "".join(f"{_key(key)} = {_literal(value)}\n" for key, value in values.items())
    if lines or not inner:
        yield f"[{name}]\n{lines}" if name else lines
    for key, value in inner.items():
        dotted = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, Mapping):
            yield from _blocks(value, dotted)
            continue
        for one in value:
            own = "".join(f"{_key(key)} = {_literal(each)}\n" for key, each in one.items() if each is not None)
            yield f"[[{dotted}]]\n{own}"


def _is_tables(value: Any) -> bool:
    """Whether a value is a table, or a list of some; those in a list hold no tables themselves."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, Mapping) for one in value)
    return isinstance(value, Mapping)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(one) for one in value)}]"
    raise ConfigError(f"A recipe cannot hold {value!r}: only strings, numbers, true, false, lists and tables.")
