"""Files elsewhere, by address: `s3://bucket/scans`, `gs://…`, `hf://…`, `memory://…`, through fsspec and its drivers.

What a driver raises comes out as `OSError`, as of a file on disk. Nothing is imported until an address is met.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pylon_zoo.errors import ConfigError, MissingDependencyError, PylonZooError, first_line, suggest
from pylon_zoo.optional import require

ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+://")  # two letters at least: `c:` is a drive
MAGIC = re.compile(r"[*?\[]")


def is_remote(name: str | Path) -> bool:
    """Whether a name is an address and no path on this machine.

    Example:
        >>> is_remote("s3://bucket/scans"), is_remote("scans/1.png"), is_remote("c:/scans")
        (True, False, False)
    """
    return ADDRESS.match(str(name)) is not None


def connect(address: str, *, listings: bool = True) -> tuple[Any, str]:
    """fsspec's file system for an address, and the path in it.

    Args:
        address: `"PROTOCOL://PATH"`.
        listings: remember what folders held; False where others write into them meanwhile.

    Raises:
        MissingDependencyError: the driver is not installed; names its package.
        ConfigError: there is no such protocol; suggests the nearest.
        OSError: the driver cannot be set up, for want of credentials say.

    Example:
        >>> connect("memory://scans/1.png")[1]
        '/scans/1.png'
    """
    core, registry = require("fsspec.core", extra="predict"), require("fsspec.registry", extra="predict")
    known = registry.known_implementations
    protocols = address.partition("://")[0].split("::")
    for protocol in protocols:
        if protocol not in known and protocol not in registry.registry:
            raise ConfigError(f"No driver is known for '{protocol}://' of '{address}'.{suggest(protocol, known)}")
    with answering():
        try:
            system, path = core.url_to_fs(address, **({} if listings else {"use_listings_cache": False}))
        except ImportError as error:
            raise MissingDependencyError(_missing(address, protocols, error)) from error
    return system, str(path)


def _missing(address: str, protocols: list[str], error: ImportError) -> str:
    """Which package the address needs: the driver's own, or, of a driver of fsspec's, what it says itself."""
    known = require("fsspec.registry", extra="predict").known_implementations
    packages = [known[one]["class"].partition(".")[0] for one in protocols if one in known]
    drivers = [package for package in packages if package != "fsspec"]
    if not drivers:
        return f"'{address}' needs a package that is not installed: {first_line(error)}."
    return (
        f"'{address}' needs the package '{drivers[-1]}', which is not installed. "
        f"Install it with: pip install {drivers[-1]}"
    )


@contextmanager
def answering() -> Iterator[None]:
    """Whatever a driver raises, as `OSError`: each has errors of its own, and all mean that a file cannot be had."""
    try:
        yield
    except (PylonZooError, OSError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {first_line(error)}") from error


def read_bytes(address: str, start: int | None = None, size: int | None = None) -> bytes:
    """The content of a file, or `size` bytes of it from `start` on; fewer where it ends before.

    Raises:
        OSError: it cannot be had.

    Example:
        >>> write_bytes("memory://read/1.txt", b"hello")
        >>> read_bytes("memory://read/1.txt"), read_bytes("memory://read/1.txt", 1, 3)
        (b'hello', b'ell')
    """
    system, path = connect(address)
    with answering():
        content: bytes = system.cat_file(path, start=start, end=None if size is None else (start or 0) + size)
    return content


def open_binary(address: str | Path, *, listings: bool = True) -> BinaryIO:
    """A file opened for reading, at any place in it; `listings` as for `connect`.

    Args:
        address: an address, or a path on this machine.

    Raises:
        OSError: it cannot be had, now or while it is read.
    """
    if not is_remote(address):
        return Path(address).open("rb")
    system, path = connect(str(address), listings=listings)
    with answering():
        return io.BufferedReader(_Reading(system.open(path, "rb")), 1 << 16)


class _Reading(io.RawIOBase):
    """A driver's file, which raises nothing but `OSError`."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with answering():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with answering():
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def write_bytes(address: str, content: bytes) -> None:
    """Write a whole file; stores of objects show it when it is complete.

    Raises:
        OSError: it cannot be written.
    """
    system, path = connect(address, listings=False)
    with answering():
        system.makedirs(system._parent(path), exist_ok=True)
        system.pipe_file(path, content)


def upload(file: Path, address: str) -> None:
    """Copy a file of this machine to an address; stores of objects show it when it is complete.

    Raises:
        OSError: it cannot be written.
    """
    system, path = connect(address, listings=False)
    with answering():
        system.makedirs(system._parent(path), exist_ok=True)
        system.put_file(str(file), path)


def remove(address: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens where there is none.

    Raises:
        OSError: it cannot be removed.
    """
    system, path = connect(address, listings=False)
    with answering():
        if system.exists(path):
            system.rm(path, recursive=True)


def is_file(address: str) -> bool:
    """Whether there is a file now.

    Raises:
        OSError: nobody answers.
    """
    system, path = connect(address, listings=False)
    with answering():
        return bool(system.isfile(path))


def is_folder(address: str) -> bool:
    """Whether there is a folder, or, where there are none, something whose name goes on behind a `/`.

    Raises:
        OSError: nobody answers.
    """
    system, path = connect(address)
    with answering():
        return bool(system.isdir(path))


def listing(address: str) -> list[tuple[str, bool]]:
    """Addresses in a folder, nothing hidden, in no order, and whether each is a folder itself.

    Raises:
        OSError: it cannot be listed.

    Example:
        >>> write_bytes("memory://listing/one/1.png", b"")
        >>> listing("memory://listing")
        [('memory://listing/one', True)]
    """
    system, path = connect(address)
    with answering():
        entries = system.ls(path, detail=True)
    inside = [entry for entry in entries if entry["name"].rstrip("/") != path.rstrip("/")]  # some list themselves
    return [
        (_address(address, path, entry["name"]), entry["type"] == "directory")
        for entry in inside
        if not PurePosixPath(entry["name"]).name.startswith(".")
    ]


def matches(pattern: str) -> list[tuple[str, bool]]:
    """Addresses that a pattern with `*`, `?` or `[` stands for, in no order, and whether each is a folder.

    Raises:
        OSError: nobody answers.

    Example:
        >>> write_bytes("memory://matches/1.png", b""); write_bytes("memory://matches/1.txt", b"")
        >>> matches("memory://matches/*.png")
        [('memory://matches/1.png', False)]
    """
    magic = MAGIC.search(pattern)
    folder = "".join(pattern[: magic.start() if magic else None].rpartition("/")[:2])
    system, path = connect(pattern)
    with answering():
        found = system.glob(path, detail=True)
    _, root = connect(folder)
    return [(_address(folder, root, name), info["type"] == "directory") for name, info in found.items()]


def _address(folder: str, root: str, name: str) -> str:
    """The address of a file by that of a folder above it, whose path in the file system is `root`."""
    base = folder if folder.endswith("/") else f"{folder}/"
    return base + name.rstrip("/")[len(root.rstrip("/")) :].lstrip("/")


def version(address: str) -> str:
    """A text that differs where a file has been changed, by size, time or checksum: whatever the driver knows.

    Raises:
        OSError: it cannot be had.
    """
    system, path = connect(address)
    with answering():
        return str(system.ukey(path))


def suffix_of(name: str | Path) -> str:
    """The suffix of a path or address, in small letters.

    Example:
        >>> suffix_of("s3://bucket/A.PNG"), suffix_of("scans/list.csv")
        ('.png', '.csv')
    """
    return PurePosixPath(str(name).replace("\\", "/")).suffix.lower()


def joined(folder: str | Path, name: str) -> str:
    """A name in a list, by the folder of that list: absolute paths and addresses are themselves.

    Example:
        >>> joined("s3://bucket/lists", "1.png"), joined("scans", "gs://other/1.png")
        ('s3://bucket/lists/1.png', 'gs://other/1.png')
    """
    if is_remote(name):
        return name
    return f"{str(folder).rstrip('/')}/{name.lstrip('/')}" if is_remote(folder) else str(Path(folder) / name)


def parent_of(name: str | Path) -> str:
    """The folder of a path or address.

    Example:
        >>> parent_of("s3://bucket/lists/all.csv"), parent_of("all.csv")
        ('s3://bucket/lists', '.')
    """
    return str(name).rpartition("/")[0] if is_remote(name) else str(Path(name).parent)
