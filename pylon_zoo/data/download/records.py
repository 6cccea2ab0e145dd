"""What was downloaded, written beside it: so that it is not downloaded again, and can be checked later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from pylon_zoo.data.download.checksums import crc_of
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.unpack import Unpacked
from pylon_zoo.files import write_text

FOLDER = ".download"  # in the release's
FORMAT = 1
SUFFIX = ".done.json"


@dataclass(frozen=True)
class Record:
    """One file of a release that has arrived.

    Attributes:
        dataset: name as in `DATASETS`.
        name: of the file, as in the table of releases.
        address: where it came from.
        size: in bytes.
        sha256: its own, whether one was published or not.
        published: the checksum that was published and that it has; `""` where there was none.
        when: the day it was downloaded.
        lists: the lists whose images were unpacked; None for all.
        files: what it became in the release's folder.
    """

    dataset: str
    name: str
    address: str
    size: int
    sha256: str
    published: str
    when: str
    lists: tuple[str, ...] | None
    files: tuple[Unpacked, ...]

    def covers(self, lists: Sequence[str] | None) -> bool:
        """Whether the images of these lists, or all, were unpacked."""
        return self.lists is None or (lists is not None and set(lists) <= set(self.lists))

    def missing(self, root: Path) -> list[str]:
        """The files that are not there, or have another size."""
        return [file.path for file in self.files if not _has_size(root / file.path, file.size)]

    def damaged(self, root: Path, watch: Watch) -> Iterator[str]:
        """The files that have other bytes than those that were unpacked; every one is read."""
        for file in self.files:
            if _has_size(root / file.path, file.size) and crc_of(root / file.path, watch) != file.crc:
                yield file.path


def write_record(root: Path, record: Record) -> None:
    """Write a record, atomically.

    Raises:
        DiskFullError: it does not fit.
    """
    text = json.dumps({"format": FORMAT, **asdict(record), "files": [list(file) for file in record.files]})
    write_text(_path(root, record.name), text)


def read_record(root: Path, name: str) -> Record | None:
    """The record of a file; None where there is none, or one of another version of this library."""
    return _read(_path(root, name))


def read_records(root: Path) -> list[Record]:
    """All records of a folder, by name."""
    paths = sorted((root / FOLDER).glob(f"*{SUFFIX}"))
    return [record for path in paths if (record := _read(path)) is not None]


def today() -> str:
    """The day, as records have it."""
    return date.today().isoformat()


def _read(path: Path) -> Record | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            return None
        lists = values.pop("lists")
        files = tuple(Unpacked(str(name), int(size), int(crc)) for name, size, crc in values.pop("files"))
        return Record(**values, lists=None if lists is None else tuple(lists), files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def flat(name: str) -> str:
    """A file's name in the folder of downloads, where there are no folders."""
    return name.replace("/", "+")


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{flat(name)}{SUFFIX}"


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
