"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there at the end is moved into place, unless something was raised.

    Args:
        path: in a folder that exists.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "one.txt")
        >>> with replacing(path) as temporary:
        ...     done = temporary.write_text("whole")
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically: beside it first, then moved into place.

    Args:
        path: in a folder that exists.
        text: its whole content.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def check_folder(path: str | Path, option: str = "--out") -> None:
    """Find out early whether a folder can be written to, without making it.

    Args:
        path: the folder; it need not exist.
        option: what named it, for the message.

    Raises:
        ConfigError: it is a file, or lies in one, or may not be written to.
    """
    folder = Path(path).absolute()
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        reason = "may not be written to" if nearest.is_dir() else "is a file"
        raise ConfigError(f"{option} {path} cannot be a folder: {nearest} {reason}. Give another path.")


def make_folder(path: str | Path, option: str = "--out") -> Path:
    """An output folder, made if it is not there.

    Args:
        path: the folder.
        option: what named it, for the message.

    Raises:
        ConfigError: it is a file, or cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {folder} cannot be a folder: {error.strerror}. Give another path.") from error
    return folder


def finite(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with None for every NaN in it, at any depth of tables, because JSON has no word for NaN.

    Example:
        >>> finite({"auroc": float("nan"), "by": {"size": 0.5}})
        {'auroc': None, 'by': {'size': 0.5}}
    """

    def value(one: Any) -> Any:
        if isinstance(one, Mapping):
            return finite(one)
        return None if isinstance(one, float) and math.isnan(one) else one

    return {key: value(one) for key, one in table.items()}
