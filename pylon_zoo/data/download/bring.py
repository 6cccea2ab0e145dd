"""One file of a release: downloaded, compared with what was published, put or unpacked into its place, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pylon_zoo.data.download.checksums import crc_of, digest, mismatch
from pylon_zoo.data.download.members import DamagedError
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.plan import Task
from pylon_zoo.data.download.records import FOLDER, Record, flat, read_record, today, write_record
from pylon_zoo.data.download.table import PAGE, RemoteFile, Unpacking
from pylon_zoo.data.download.transfer import transfer
from pylon_zoo.data.download.unpack import Unpacked, unpack
from pylon_zoo.data.download.writing import writing
from pylon_zoo.data.tables import read_rows
from pylon_zoo.errors import DownloadError

UNPACKING = ".unpacking"


@dataclass(frozen=True)
class Bringer:
    """Brings files into a folder that no other process works in.

    Attributes:
        dataset: name as in `DATASETS`.
        root: the release's folder.
        keep_archives: leave them in `root/.download` when they are unpacked.
        watch: told of every byte.
    """

    dataset: str
    root: Path
    keep_archives: bool
    watch: Watch

    def is_there(self, task: Task) -> bool:
        """Whether a file was brought before, as it is published now, and what it became is still there."""
        record = read_record(self.root, task.file.name)
        if record is None or not record.covers(task.lists):
            return False
        if task.file.checksum and record.published != task.file.checksum:
            self.watch.say(f"'{task.file.name}' was published anew since {record.when}: downloading it anew")
            return False
        lost = record.missing(self.root)
        if lost:
            self.watch.say(f"{len(lost)} files of '{task.file.name}' are gone or changed, such as '{lost[0]}'")
        return not lost

    def bring(self, task: Task) -> None:
        """Bring a file.

        Raises:
            DownloadError: it cannot be had, is not what was published, or cannot be unpacked.
            DiskFullError: it does not fit.
            StoppedError: it was stopped.
        """
        file, before = task.file, read_record(self.root, task.file.name)
        path = self._found(file) or transfer(file, self.root / FOLDER, self.watch)
        mine = path.parent == self.root / FOLDER
        kind, _, published = file.checksum.partition(":")
        with writing(self.root):
            size = path.stat().st_size
            sha256 = published if kind == "sha256" else digest(path, "sha256", self.watch)  # just compared
        if before is not None and before.sha256 != sha256:
            self.watch.say(f"'{file.name}' is another file than on {before.when}: its publisher has changed it")
        rule = file.unpacking
        files = [self._put(path, file)] if rule is None else self._unpack(path, mine, task, rule)
        record = Record(
            self.dataset, file.name, file.addresses[0], size, sha256, file.checksum, today(), task.lists, tuple(files)
        )
        with writing(self.root):
            write_record(self.root, record)
            if mine and not self.keep_archives:
                path.unlink(missing_ok=True)

    def _found(self, file: RemoteFile) -> Path | None:
        """The file, where the user has put it into the folder, or a run that was stopped has left it."""
        left = self.root / FOLDER / flat(file.name)
        with writing(self.root):
            for path in (left, self.root / file.name):
                if path.is_file() and (file.checksum or path == left) and not mismatch(path, file, self.watch):
                    self.watch.count(path.stat().st_size)
                    return path
        return None

    def _put(self, path: Path, file: RemoteFile) -> Unpacked:
        """Move a file that is kept as it is."""
        final = self.root / file.name
        with writing(self.root):
            one = Unpacked(file.name, path.stat().st_size, crc_of(path, self.watch))
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)
        return one

    def _unpack(self, path: Path, mine: bool, task: Task, rule: Unpacking) -> list[Unpacked]:
        """Unpack an archive; one that is none is removed, if it is ours, so that the next run downloads it anew."""
        wanted = None if task.lists is None else _listed(self.root, task.lists)
        staging = self.root / FOLDER / f"{flat(task.file.name)}{UNPACKING}"
        try:
            files = unpack(path, rule, self.root, staging, wanted, self.watch)
            if not files and wanted is None:
                raise DamagedError(f"it has no files of the form {rule.keep}")
        except DamagedError as error:
            if mine:
                with writing(self.root):
                    path.unlink(missing_ok=True)
            advice = "Run the same command again; if it says so once more, the file is damaged where it is published"
            if task.file.checksum:
                advice = f"It is the file that was published: {PAGE}"
            raise DownloadError(
                f"'{task.file.name}' cannot be unpacked ({error}), so that nothing of it was kept. {advice}."
            ) from error
        return files


def _listed(root: Path, lists: Sequence[str]) -> set[str]:
    """The names of the images that these files list, a line each."""
    return {cells[0] for name in lists for _, cells in read_rows(root / name)}
