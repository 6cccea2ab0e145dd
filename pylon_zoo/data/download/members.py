"""What is in an archive, one file after the other, and nothing that could end up elsewhere than it should."""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pylon_zoo.data.download.checksums import CHUNK
from pylon_zoo.data.download.table import PAGE, Unpacking
from pylon_zoo.errors import DownloadError

LARGEST = 1 << 30  # bytes of a member; images are far smaller, and each is read at once
TAR_END = 1024  # bytes of zeros that a tar ends in
GZIP = b"\x1f\x8b"  # that a tar.gz begins with
DRIVE = re.compile(r"[A-Za-z]:")
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,  # gzip's errors, and those of reading
    RuntimeError,  # a password is needed
    NotImplementedError,  # an unknown compression
    UnicodeError,
)
"""What reading an archive raises that is none, or not whole."""


class DamagedError(Exception):
    """An archive that cannot be read to its end."""


class Member(NamedTuple):
    """A file in an archive: its path, with as many parts as the rule keeps, and its bytes."""

    path: str
    content: bytes


def read_members(archive: Path, rule: Unpacking) -> Iterator[Member]:
    """The files of a zip, a tar or a tar.gz that a rule keeps, in its order.

    Folders, hidden files and what macOS adds are left out.

    Args:
        archive: the file.
        rule: which members are kept, and how much of their paths.

    Raises:
        DamagedError: it is no archive, not whole, or its bytes contradict its own checksums; at the end perhaps.
        DownloadError: a member, kept or not, has a path that leads out of the folder; or one that is kept is a link,
            a device, or larger than `LARGEST`.
    """
    try:
        yield from (_of_zip if zipfile.is_zipfile(archive) else _of_tar)(archive, rule)
    except DownloadError:
        raise
    except DAMAGED as error:
        raise DamagedError(f"it is not a whole zip, tar or tar.gz: {error or type(error).__name__}") from error


def _of_zip(archive: Path, rule: Unpacking) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir()]
        for info, path in [(info, _kept(archive, info.filename, rule)) for info in infos]:
            if path:
                kind = stat.S_IFMT(info.external_attr >> 16)
                _check_plain(archive, info.filename, kind in (0, stat.S_IFREG), info.file_size)
                yield Member(path, file.read(info))


def _of_tar(archive: Path, rule: Unpacking) -> Iterator[Member]:
    with archive.open("rb") as start:
        packed = start.read(len(GZIP)) == GZIP
    opener = gzip.open if packed else open
    with opener(archive, "rb") as content, tarfile.open(fileobj=content, mode="r:") as file:
        for info in file:
            path = "" if info.isdir() else _kept(archive, info.name, rule)
            if path:
                _check_plain(archive, info.name, info.isreg(), info.size)
                one = file.extractfile(info)
                yield Member(path, one.read() if one else b"")
        while content.read(CHUNK):
            pass  # gzip's checksum stands behind the last member
    if not packed:
        _check_end(archive)


def _check_end(archive: Path) -> None:
    """A plain tar has no checksum, but shows by its end whether it is whole."""
    with archive.open("rb") as file:
        file.seek(-TAR_END, io.SEEK_END)
        if any(file.read()):
            raise DamagedError("it is not a whole tar: it ends in the middle")


def _kept(archive: Path, name: str, rule: Unpacking) -> str:
    """The path that a member is given; `""` for one that is left out."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0].startswith("/") or DRIVE.match(parts[0]) or "\0" in name:
        raise DownloadError(
            f"'{archive.name}' has a file '{name}' that would land outside the folder, so that nothing of it was "
            f"unpacked. Do not use this archive; {PAGE}."
        )
    if parts[-1].startswith(".") or parts[0] == "__MACOSX" or not fnmatchcase("/".join(parts), rule.keep):
        return ""
    return "/".join(parts if rule.depth is None else parts[-rule.depth :])


def _check_plain(archive: Path, name: str, plain: bool, size: int) -> None:
    if not plain or size > LARGEST:
        what = f"the file '{name}' of {size:,} bytes" if plain else f"the link or device '{name}'"
        raise DownloadError(
            f"'{archive.name}' has {what}, which no release of images needs, so that nothing of it was "
            f"unpacked. Do not use this archive; {PAGE}."
        )
