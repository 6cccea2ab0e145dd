"""JSON as datasets ship it: read whole, and every complaint names the file and the place in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pylon_zoo.errors import DataError


def read_json(path: Path, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """What a JSON file holds.

    Args:
        path: a UTF-8 file, with or without a byte-order mark.
        kind: `dict` or `list`, what the outermost value must be.

    Returns:
        A value of `kind`.

    Raises:
        DataError: the file is missing, is not UTF-8 or not JSON (NaN and Infinity are none), names a key twice, or
            holds something else.
    """
    if not path.is_file():
        raise DataError(f"'{path}' does not exist: the dataset is not complete without this file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}): copy it again.") from error
    except RecursionError as error:
        raise DataError(f"'{path}' is not a table of data (nested too deeply): copy it again.") from error
    except ValueError as error:
        raise DataError(f"'{path}' is not JSON that can be read ({error}): copy it again.") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if not isinstance(value, kind):
        shown = {dict: "an object", list: "a list"}[kind]
        raise DataError(f"'{path}' holds no {shown.split()[-1]} of data: it must be {shown} on the outside.")
    return value


def take(where: str, table: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """The value of a key, checked to be of a kind.

    Args:
        where: the file and place of `table`, for the message.
        table: the object.
        key: what to look up.
        kind: what the value must be; `bool` is no number here.

    Raises:
        DataError: `table` is no object, the key is missing, or the value is of another kind.

    Example:
        >>> take("'a.json' images[0]", {"id": 7}, "id", int)
        7
    """
    if not isinstance(table, dict):
        raise DataError(f"{where} is no object: correct or remove it.")
    value = table.get(key)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        shown = "nothing" if key not in table else repr(value)[:60]
        names = " or ".join(one.__name__ for one in kinds)
        raise DataError(f"{where} has {shown} as '{key}': it must be {names}. Correct or remove it.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key '{next(name for name in names if names.count(name) > 1)}' is there twice")
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
