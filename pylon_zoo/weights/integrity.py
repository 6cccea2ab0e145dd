"""Bytes that are what they should be: sha256 on every read, and files replaced together or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.errors import DiskFullError, WeightsError
from pylon_zoo.files import disk_full_named, write_together


@dataclass(frozen=True)
class FileRecord:
    """What a published file must be.

    Attributes:
        bytes: its size.
        sha256: 64 lower-case hexadecimal digits.
    """

    bytes: int
    sha256: str


def record_of(content: bytes) -> FileRecord:
    """The record of a file's content.

    Example:
        >>> record_of(b"").sha256[:8]
        'e3b0c442'
    """
    return FileRecord(len(content), hashlib.sha256(content).hexdigest())


def read_verified(path: Path, expected: FileRecord) -> bytes:
    """The content of a file, once it has proved to be what was published.

    Args:
        path: the file.
        expected: its record.

    Raises:
        WeightsError: it is missing, or other bytes; names the file, the hash expected and the hash found.
    """
    content = read_bytes(path)
    found = record_of(content)
    if found != expected:
        raise WeightsError(
            f"{path} is not the file that was published: sha256 expected {expected.sha256} ({expected.bytes} bytes), "
            f"found {found.sha256} ({found.bytes} bytes). Install the package, or check the repository out, again."
        )
    return content


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        WeightsError: it cannot be read; names it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error


def write_files(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, made if it is not there, all or none; see `pylon_zoo.files.write_together`.

    Raises:
        WeightsError: the folder cannot be written to.
        DiskFullError: the files do not fit; the old ones are still there.
    """
    try:
        with disk_full_named(directory):
            directory.mkdir(parents=True, exist_ok=True)
        write_together(directory, contents)
    except DiskFullError:
        raise
    except OSError as error:
        raise WeightsError(
            f"{directory} cannot be written to: {error.strerror or error}. Give another folder."
        ) from error
