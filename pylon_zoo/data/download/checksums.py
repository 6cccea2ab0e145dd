"""Whether a file has the bytes that were published."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.table import RemoteFile

CHUNK = 1 << 20  # bytes at a time; a stop comes within one
KINDS: dict[str, Callable[[int], hashlib._Hash]] = {
    "sha256": lambda size: hashlib.sha256(),
    "md5": lambda size: hashlib.md5(usedforsecurity=False),
    "git": lambda size: hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False),
}
"""Kind of checksum → its beginning, for a file of so many bytes; `git` is git's name of the content."""


def digest(path: Path, kind: str, watch: Watch) -> str:
    """A file's checksum, in hexadecimal digits.

    Args:
        path: the file.
        kind: a key of `KINDS`.
        watch: ends it when it is stopped.

    Raises:
        StoppedError: it was stopped.
        OSError: the file cannot be read.
    """
    found = KINDS[kind](path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            watch.check()
            found.update(chunk)
    return found.hexdigest()


def crc_of(path: Path, watch: Watch) -> int:
    """A file's CRC-32: cheap, and enough to notice what a disk has lost.

    Args:
        path: the file.
        watch: ends it when it is stopped.

    Raises:
        StoppedError: it was stopped.
        OSError: the file cannot be read.
    """
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            watch.check()
            value = zlib.crc32(chunk, value)
    return value


def mismatch(path: Path, file: RemoteFile, watch: Watch) -> str:
    """How a file differs from what was published of it, as a clause; `""` where it does not, as far as is known.

    Args:
        path: the file.
        file: what it must be.
        watch: ends it when it is stopped.

    Raises:
        StoppedError: it was stopped.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes where {file.size:,} were published"
    if not file.checksum:
        return ""
    kind, _, expected = file.checksum.partition(":")
    found = digest(path, kind, watch)
    return "" if found == expected else f"its {kind} is {found} where {expected} was published"
