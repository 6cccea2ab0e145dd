"""Writing files so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, DiskFullError

FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.EFBIG: "a file may not be larger"}
"""The system's codes for a file that cannot grow, in words."""


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically, see `write_together`.

    Args:
        path: in a folder that exists.
        text: its whole content.

    Raises:
        DiskFullError: it does not fit; the old file is still there.
    """
    write_together(path.parent, {path.name: text.encode("utf-8")})


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder: all beside their places first, then all moved, so that none is ever half written.

    Whatever goes wrong before the first is moved leaves all old files as they were, and nothing beside them.

    Args:
        folder: one that exists.
        contents: file name → content; moved into place in this order.

    Raises:
        DiskFullError: they do not fit; the old files are still there.
        OSError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_together(folder, {"a.txt": b"first", "b.txt": b"second"})
        >>> sorted(path.name for path in folder.iterdir())
        ['a.txt', 'b.txt']
    """
    parts = {name: folder / f".{name}.{os.getpid()}.tmp" for name in contents}
    try:
        with disk_full_named(folder):
            for name, content in contents.items():
                with parts[name].open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for name, part in parts.items():
                part.replace(folder / name)
    finally:
        for part in parts.values():
            if part.parent.is_dir():
                part.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there at the end is moved into place, unless something was raised.

    Args:
        path: in a folder that exists.

    Raises:
        DiskFullError: it does not fit; the old file is still there.

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
        with disk_full_named(path.parent):
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_full_named(folder: Path) -> Iterator[None]:
    """Turn a system error about a full disk into one sentence.

    Args:
        folder: where something is written.

    Raises:
        DiskFullError: instead of that system error; others pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFullError(
            f"{folder} cannot take more: {FULL[error.errno]}. What was there before is intact; free some space, or "
            "give another folder, and run it again."
        ) from error


def is_path(text: str) -> bool:
    """Whether a text can be nothing but a path, as it names a folder: `/` everywhere, and `\\` where the system has it.

    Example:
        >>> is_path("runs/one"), is_path("pylon_resnet18.phantom_cxr")
        (True, False)
    """
    return any(separator in text for separator in (os.sep, os.altsep) if separator)


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
