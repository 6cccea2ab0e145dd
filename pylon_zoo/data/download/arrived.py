"""What is in a folder, compared with what its release has: after a download, by us or by the user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pylon_zoo.data.download.checksums import digest
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.records import read_records
from pylon_zoo.data.download.table import Way
from pylon_zoo.data.registry import SPLITS, open_dataset, parse_data_options, shown_name
from pylon_zoo.errors import DataError, PylonZooError, UnknownNameError

SUMS = "SHA256SUMS.txt"  # that PhysioNet puts into every release


def open_splits(dataset: str, root: Path, options: Sequence[str] = ()) -> dict[str, int | str]:
    """Open every split, as `--data` does: tables are read, and folders listed; images are not.

    Args:
        dataset: its name.
        root: its folder.
        options: of the dataset, `KEY=VALUE`.

    Returns:
        Split → its number of images, or the sentence that says why it cannot be opened. Splits that the release does
        not have are left out.
    """
    found: dict[str, int | str] = {}
    for split in SPLITS:
        try:
            found[split] = len(open_dataset(f"{dataset}:{root}", split, **parse_data_options(options)))
        except UnknownNameError:
            continue
        except PylonZooError as error:
            found[split] = str(error)
    return found


def lost_and_damaged(root: Path, watch: Watch) -> Iterator[str]:
    """What of a download by `download` is not as it was unpacked, a sentence each; every file is read.

    Args:
        root: the folder.
        watch: told of every byte; ends it when it is stopped.

    Raises:
        DataError: nothing was downloaded to it.
        StoppedError: it was stopped.
    """
    records = read_records(root)
    if not records:
        raise DataError(
            f"'{root}' has no record of a download, which `--check` compares with: `pylon-zoo data check` reads any "
            "folder."
        )
    for record in records:
        for path in record.missing(root):
            yield f"'{root / path}' of '{record.name}' is not there, or has another size."
        for path in record.damaged(root, watch):
            yield f"'{root / path}' of '{record.name}' has other bytes than were downloaded on {record.when}."


def missing_of(dataset: str, root: Path, way: Way, watch: Watch | None) -> Iterator[str]:
    """What a release that the user has downloaded lacks, a sentence each.

    Args:
        dataset: its name.
        root: its folder.
        way: how it was to be had.
        watch: None compares names and numbers; otherwise every file is read whose SHA-256 the release publishes.

    Raises:
        DataError: the release's list of checksums cannot be read.
        StoppedError: it was stopped.
    """
    sums = _read_sums(root / SUMS, way.needed)
    absent = [name for name in sums if not (root / name).is_file()]
    if absent:
        yield f"{_some(absent)} of the {len(sums):,} files that '{root / SUMS}' lists are not there."
    if watch is not None:
        present = (name for name in sums if (root / name).is_file())
        wrong = [name for name in present if digest(root / name, "sha256", watch) != sums[name]]
        if wrong:
            yield f"{_some(wrong)} of the files that '{root / SUMS}' lists have other bytes: download them again."
    if way.images is not None:
        patterns, published = way.images
        there = sum(1 for pattern in patterns for _ in root.glob(pattern))
        if there < published:
            yield f"'{root}' has {there:,} of the release's {published:,} images ({patterns[0]})."
    splits = open_splits(dataset, root)
    problems = dict.fromkeys(value for value in splits.values() if isinstance(value, str))
    yield from list(problems)[:1]
    if not splits:
        yield f"'{root}' has no split of '{shown_name(dataset)}'."


def _read_sums(path: Path, needed: Sequence[str]) -> dict[str, str]:
    """File → SHA-256, of the lines that match."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}): download it again.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        sha256, _, name = line.strip().partition(" ")
        name = name.strip().removeprefix("*").removeprefix("./")
        if len(sha256) != 64 or not name or ".." in Path(name).parts or Path(name).is_absolute():
            raise DataError(f"'{path}' row {number} is not a SHA-256 and a file of the release: download it again.")
        if any(fnmatchcase(name, pattern) for pattern in needed):
            found[name] = sha256.lower()
    return found


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names):,} ({shown})"
