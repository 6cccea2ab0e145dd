"""A copy of a dataset's folder with smaller images, that its reader takes in place of the original."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from pylon_zoo.data.prepared import (
    JOURNAL,
    MANIFEST,
    PreparedFile,
    PrepareOptions,
    Record,
    original_sizes,
    read_record,
    write_manifest,
)
from pylon_zoo.data.registry import SPLITS, open_dataset, parse_data_spec
from pylon_zoo.data.shrink import WRITERS, copy_name, shrink
from pylon_zoo.errors import ConfigError, DataError, PylonZooError, UnknownNameError
from pylon_zoo.files import check_folder, make_folder
from pylon_zoo.progress import bar

TABLE_SUFFIXES = (".csv", ".txt", ".xml", ".json")


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Args:
        written: files written now.
        kept: files found as an earlier run left them.
        broken: original → why it has no copy.
        changed: copies that were not the bytes an earlier run wrote, and were written again.
    """

    written: int
    kept: int
    broken: dict[str, str]
    changed: list[str]


def prepare(
    spec: str,
    out: str | Path,
    options: PrepareOptions,
    *,
    data_options: Mapping[str, Any] | None = None,
    workers: int = 0,
    progress: bool = False,
) -> Prepared:
    """Write the copy, or what is missing of it.

    Images are found by suffix and shrunk (`shrink`); tables (.csv, .txt, .xml, .json) are copied; other files are left
    behind. Every file is moved into place whole and then noted, so a run that was killed is finished by the next, and
    leaves the same bytes as one that was not. Files that are there are hashed, with their originals, and written again
    where either has changed. Copies whose original is gone stay.

    Args:
        spec: `"NAME:DIR"`.
        out: the copy's folder: new, empty, or prepared with the same options.
        options: what to write.
        data_options: for `open_dataset`, which says whether the copies are grey.
        workers: processes.
        progress: a bar on stderr.

    Raises:
        ConfigError: the dataset has no folder, `out` overlaps it, or `out` was prepared with other options.
        DataError: DIR does not hold the dataset; `out` holds something else; two images would get one name.
    """
    _, root = parse_data_spec(spec)
    if root is None:
        raise ConfigError(f"The dataset '{spec}' is drawn, not read from disk: there is nothing to prepare.")
    folder = Path(out)
    channels = _channels(spec, data_options or {})
    _check_apart(root, folder)
    check_folder(folder)
    record = _resume(folder, options)
    jobs = _jobs(root)
    make_folder(folder)
    journal = folder / JOURNAL
    _mend(journal, options)
    work = _Work(root, folder, jobs, options, channels, record.files, original_sizes(root))
    loader = DataLoader(work, batch_size=None, num_workers=workers, collate_fn=_as_is, worker_init_fn=_one_thread)
    counts, broken, changed = {"written": 0, "kept": 0}, {}, []
    with journal.open("a", encoding="utf-8", newline="\n") as notes:
        for (outcome,) in bar(([one] for one in loader), "preparing", len(jobs), progress):
            if outcome["error"]:
                broken[outcome["source"]] = outcome["error"]
                record.files.pop(outcome["name"], None)
                continue
            counts["kept" if outcome["kept"] else "written"] += 1
            if outcome["changed"]:
                changed.append(outcome["name"])
            record.files[outcome["name"]] = outcome["file"]
            if not outcome["kept"]:
                notes.write(json.dumps({"name": outcome["name"], **asdict(outcome["file"])}) + "\n")
                notes.flush()
    write_manifest(folder, record)
    journal.unlink()
    return Prepared(counts["written"], counts["kept"], broken, changed)


class _Work(Dataset[dict[str, Any]]):
    """One file a time: read, shrunk and moved into place by whichever process asks for it."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        jobs: Sequence[tuple[str, str]],
        options: PrepareOptions,
        channels: int,
        done: dict[str, PreparedFile],
        originals: dict[str, tuple[int, int]],
    ) -> None:
        self.root, self.folder, self.jobs, self.options, self.channels = root, folder, jobs, options, channels
        self.done, self.originals = dict(done), originals

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """What came of a file: its copy's name, and the error or the record."""
        source, name = self.jobs[index]
        outcome = {"source": source, "name": name, "error": "", "kept": False, "changed": False, "file": None}
        target = self.folder / name
        known = self.done.get(name)
        try:
            content = (self.root / source).read_bytes()
            digest = _sha256(content)
            current = known if known and (known.source, known.source_sha256) == (source, digest) else None
            if current and target.is_file():
                if _sha256(target.read_bytes()) == current.sha256:
                    return {**outcome, "kept": True, "file": current}
                outcome["changed"] = True
            original = None
            if Path(source).suffix.lower() in WRITERS:
                content, original = shrink(self.root / source, self.options, self.channels)
                original = self.originals.get(source, original)
            _put(target, content)
            return {**outcome, "file": PreparedFile(_sha256(content), source, digest, original)}
        except (PylonZooError, OSError) as error:
            target.unlink(missing_ok=True)
            return {**outcome, "error": str(error)}


def _put(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")  # the same in every run, so that none is left behind
    part.write_bytes(content)
    part.replace(target)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _channels(spec: str, data_options: Mapping[str, Any]) -> int:
    """The dataset's channels, once one split at least has been found to open."""
    errors: list[PylonZooError] = []
    for split in SPLITS:
        try:
            return open_dataset(spec, split, **data_options).channels
        except (DataError, UnknownNameError) as error:  # not every release has all splits
            errors.append(error)
    raise errors[0]


def _check_apart(root: Path, folder: Path) -> None:
    ours, theirs = folder.resolve(), root.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise ConfigError(f"--out {folder} and the dataset's folder {root} lie in each other: give another folder.")


def _resume(folder: Path, options: PrepareOptions) -> Record:
    record = read_record(folder) if folder.is_dir() else None
    if record is None:
        if folder.is_dir() and set(os.listdir(folder)) - {JOURNAL}:  # noqa: PTH208 (names alone)
            raise DataError(f"--out {folder} is not empty and has no {MANIFEST}: give a new folder.")
        return Record(options)
    theirs, ours = asdict(record.options), asdict(options)
    differ = [f"{key} {theirs[key]}, now {ours[key]}" for key in ours if ours[key] != theirs[key]]
    if differ:
        raise ConfigError(
            f"--out {folder} was prepared with other options ({'; '.join(differ)}): give those, or another folder."
        )
    return record


def _mend(journal: Path, options: PrepareOptions) -> None:
    """A journal that ends with a whole line: what a killed run left of the last one is cut off."""
    found = journal.read_bytes() if journal.is_file() else b""
    whole = found[: found.rfind(b"\n") + 1] or (json.dumps(asdict(options)) + "\n").encode()
    if whole != found:
        _put(journal, whole)


def _jobs(root: Path) -> list[tuple[str, str]]:
    """Original → copy, names relative to their folders, in order."""
    jobs: dict[str, str] = {}
    for source in sorted(_walk(root)):
        image = Path(source).suffix.lower() in WRITERS
        name = copy_name(source) if image else source
        if name in jobs:
            raise DataError(
                f"'{jobs[name]}' and '{source}' in '{root}' would both become '{name}': remove one of them."
            )
        jobs[name] = source
    return [(source, name) for name, source in jobs.items()]


def _walk(root: Path) -> Iterator[str]:
    for where, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = Path(where).relative_to(root)
        for name in files:
            if name.startswith(".") or (inner / name).as_posix() == MANIFEST:
                continue
            if Path(name).suffix.lower() in (*WRITERS, *TABLE_SUFFIXES):
                yield (inner / name).as_posix()


def _as_is(outcome: Any) -> Any:  # one: torch's list of them is what a batch would give
    return outcome


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
