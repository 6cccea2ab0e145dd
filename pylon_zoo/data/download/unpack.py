"""An archive into the release's folder: all of it, or nothing.

Its files are written beside their places first and moved when the last one is there and the archive has proved to be
whole. A run that was killed is gone on with: what is there with the right bytes is kept.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Collection, Container
from pathlib import Path
from typing import NamedTuple

from pylon_zoo.data.download.members import DamagedError, Member, read_members
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.table import PAGE, Unpacking
from pylon_zoo.data.download.writing import writing
from pylon_zoo.errors import DownloadError


class Unpacked(NamedTuple):
    """A file of a release: its path in the folder, its size in bytes and its CRC-32."""

    path: str
    size: int
    crc: int


def unpack(
    archive: Path, rule: Unpacking, root: Path, staging: Path, wanted: Collection[str] | None, watch: Watch
) -> list[Unpacked]:
    """Unpack an archive.

    Args:
        archive: a zip or a tar.
        rule: where its files go, and which.
        root: the release's folder.
        staging: a folder on the same disk, of its own for this archive; it is gone in the end.
        wanted: names of the files to unpack, of those that the rule keeps; None is all.
        watch: ends it when it is stopped; what is in `staging` stays then.

    Returns:
        The files, all of them in `root` now.

    Raises:
        DamagedError: the archive is not whole; nothing of it was unpacked.
        DownloadError: it holds what must not be unpacked, or a file cannot be moved to its place.
        DiskFullError: it does not fit.
        StoppedError: it was stopped.
    """
    try:
        with writing(root):
            found = _stage_all(archive, rule, root, staging, wanted, watch)
            _prune(staging, found)
            _move(staging, root)
    except (DamagedError, DownloadError):
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return list(found.values())


def _stage_all(
    archive: Path, rule: Unpacking, root: Path, staging: Path, wanted: Collection[str] | None, watch: Watch
) -> dict[str, Unpacked]:
    """Write all files beside their places; path in the release's folder → what it is."""
    found: dict[str, Unpacked] = {}
    staging.mkdir(parents=True, exist_ok=True)
    for member in read_members(archive, rule):
        watch.check()
        if wanted is not None and member.path.rpartition("/")[2] not in wanted:
            continue
        path = f"{rule.into}/{member.path}" if rule.into else member.path
        if path in found:
            raise DownloadError(
                f"'{archive.name}' has two files for '{path}', so that nothing of it was unpacked. Do not use this "
                f"archive; {PAGE}."
            )
        found[path] = Unpacked(path, len(member.content), zlib.crc32(member.content))
        _stage(member, root / path, staging / path)
    return found


def _stage(member: Member, final: Path, staged: Path) -> None:
    """Write a file beside its place, unless it is there already."""
    if any(_holds(path, member.content) for path in (staged, final)):
        return
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_bytes(member.content)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def _prune(staging: Path, found: Container[str]) -> None:
    """Remove what an earlier run left of other files."""
    for path in staging.rglob("*"):
        if path.is_file() and path.relative_to(staging).as_posix() not in found:
            path.unlink()


def _move(source: Path, target: Path) -> None:
    """Move a folder's content into another, whole folders at a time where there are none of their name."""
    for name in sorted(os.listdir(source)):  # noqa: PTH208 (names alone)
        one, there = source / name, target / name
        if one.is_dir() and there.is_dir():
            _move(one, there)
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            one.replace(there)
    shutil.rmtree(source)
