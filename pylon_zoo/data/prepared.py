"""The record that a prepared folder keeps of itself: options, and of every file its checksum and where it came from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.files import write_text

MANIFEST = "prepared.json"
JOURNAL = ".prepare.jsonl"


@dataclass(frozen=True)
class PrepareOptions:
    """What is written in place of each image.

    Args:
        dataset: its name, as in `DATASETS`.
        size: the shorter side in pixels; images that are smaller stay as they are, and None leaves all so.
        bits: 8 or 16, per grey value.
        dicom: how DICOM becomes grey: a `voi` of `read_dicom`, or `"paper"`.
        compression: of PNG copies, from 0 (stored as they are, which is read soonest) to 9 (smallest).

    Raises:
        ConfigError: options that exclude each other, a size below 1, or a compression that is none.
    """

    dataset: str
    size: int | None = 320
    bits: int = 8
    dicom: str = "lut"
    compression: int = 6

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ConfigError(f"--size {self.size} must be at least 1 pixel.")
        if self.bits not in (8, 16):
            raise ConfigError(f"--bits {self.bits} must be 8 or 16.")
        if self.compression not in range(10):
            raise ConfigError(f"--compression {self.compression} must be from 0 to 9.")
        if self.dicom == "paper" and self.bits == 16:
            raise ConfigError("--dicom paper makes 8-bit pictures: leave --bits 16 out, or convert with --dicom lut.")


@dataclass(frozen=True)
class PreparedFile:
    """One file of a prepared folder.

    Args:
        sha256: of the file.
        source: name of the original, relative to its folder.
        source_sha256: of the original.
        original: height and width of the original in pixels, which its boxes are measured in; None for a table.
    """

    sha256: str
    source: str
    source_sha256: str
    original: tuple[int, int] | None = None


@dataclass
class Record:
    """Options and files, by name relative to the folder, `/` between folders."""

    options: PrepareOptions
    files: dict[str, PreparedFile] = field(default_factory=dict)


def read_record(folder: Path) -> Record | None:
    """What a folder's manifest and journal say; None where there is neither.

    A last line of the journal that is cut short, as a killed process leaves it, is passed over.

    Raises:
        DataError: the manifest or journal is not what `data prepare` writes.
    """
    record = None
    manifest, journal = folder / MANIFEST, folder / JOURNAL
    try:
        if manifest.is_file():
            table = json.loads(manifest.read_text(encoding="utf-8"))
            record = Record(PrepareOptions(**table["options"]))
            record.files = {name: _file(values) for name, values in table["files"].items()}
        if journal.is_file():
            *lines, _ = journal.read_bytes().decode("utf-8", errors="replace").split("\n")
            for number, line in enumerate(lines):
                table = json.loads(line)
                if number == 0 or record is None:
                    record = record or Record(PrepareOptions(**table))
                else:
                    name = table.pop("name")  # before the rest is read
                    record.files[name] = _file(table)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise DataError(
            f"'{folder}' has a {MANIFEST} or {JOURNAL} that `data prepare` did not write ({error}): prepare into "
            "another folder."
        ) from error
    return record


def write_manifest(folder: Path, record: Record) -> None:
    """Write `prepared.json`: the same bytes for the same record, one file a line."""
    lines = [f"  {json.dumps(name)}: {json.dumps(asdict(record.files[name]))}" for name in sorted(record.files)]
    body = ",\n".join(lines)
    write_text(folder / MANIFEST, f'{{"options": {json.dumps(asdict(record.options))},\n "files": {{\n{body}\n }}}}\n')


def original_sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Height and width that a prepared folder's images had before, by name relative to it; nothing for other folders.

    A reader whose boxes are in pixels of the original scales them from these.

    Raises:
        DataError: the folder's manifest is not what `data prepare` writes.

    Example:
        >>> original_sizes(Path("no such folder"))
        {}
    """
    record = read_record(folder)
    return {name: one.original for name, one in record.files.items() if one.original} if record else {}


def _file(values: dict[str, Any]) -> PreparedFile:
    one = PreparedFile(**values)
    if not one.original:
        return one
    height, width = one.original
    return PreparedFile(one.sha256, one.source, one.source_sha256, (int(height), int(width)))
