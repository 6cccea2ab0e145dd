"""One file from its server, whole and as published, however often the connection breaks.

What has arrived lies in `NAME.part`, and `NAME.part.json` says of which version of the file it is. It is gone on with
only where the server has the same version still: by its ETag, by its date, or, where it tells neither, by the published
checksum, which the whole must have in the end.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pylon_zoo.data.download.checksums import CHUNK, mismatch
from pylon_zoo.data.download.patience import BreakError, RefusalError, Watch, persist
from pylon_zoo.data.download.records import flat
from pylon_zoo.data.download.table import PAGE, RemoteFile
from pylon_zoo.data.download.web import Answer, opened
from pylon_zoo.data.download.writing import writing
from pylon_zoo.errors import DownloadError
from pylon_zoo.files import write_text

FORMAT = 1  # of NAME.part.json
PROGRESS = 1 << 20  # bytes that count as progress, after which a break is the first one again


@dataclass(frozen=True)
class Version:
    """Which version of a file a part is of.

    Attributes:
        address: where it came from.
        etag, modified: what the server calls it; `""` where it does not.
        total: its size in bytes; None where that was not told.
    """

    address: str
    etag: str
    modified: str
    total: int | None

    @property
    def name(self) -> str:
        """What to ask a server for, so that it goes on with this version alone; a weak ETag does not do for that."""
        return self.modified if self.etag.startswith("W/") else self.etag or self.modified


def transfer(file: RemoteFile, folder: Path, watch: Watch) -> Path:
    """The file in that folder, once it has proved to be what was published.

    Args:
        file: what to get; its addresses are tried in turn.
        folder: an existing one, which no other process works in.
        watch: told of every byte, also of those that lie there from before.

    Raises:
        DownloadError: no address gives it, or it cannot be written; says why, and what to do.
        DiskFullError: it does not fit; what has arrived stays.
        StoppedError: it was stopped; what has arrived stays.
    """
    done = folder / flat(file.name)
    part = done.with_name(f"{done.name}.part")
    refusals: list[RefusalError] = []
    with writing(folder):
        for address in file.addresses:
            try:
                _Transfer(file, address, part, watch).run()
            except RefusalError as refusal:
                refusals.append(refusal)
            else:
                part.replace(done)
                _version_file(part).unlink(missing_ok=True)
                return done
    reasons = "; ".join(refusal.reason for refusal in refusals)
    raise DownloadError(f"'{file.name}' cannot be downloaded: {reasons}. {refusals[-1].advice}") from refusals[-1]


class _Transfer:
    """A file from one address into its part."""

    def __init__(self, file: RemoteFile, address: str, part: Path, watch: Watch) -> None:
        self.file, self.address, self.part, self.watch = file, address, part, watch
        self.counted = 0
        self.resumed = False

    def run(self) -> None:
        """Raises:
        RefusalError: this address does not give it.
        """
        try:
            problem = self._whole()
            if problem and self.resumed:  # what lay there may have been of another version
                self._drop()
                self.watch.say(f"'{self.file.name}' is not what was published ({problem}): downloading it anew")
                problem = self._whole()
        except RefusalError:
            self._count_to(0)
            raise
        if problem:
            self._drop()
            raise RefusalError(
                f"{problem}, so that nothing of it was kept",
                "Run the same command again; if it says so once more, its publisher has changed the file.",
            )

    def _whole(self) -> str:
        """How the whole file differs from what was published; `""` where it does not."""
        persist(self._receive, lambda: self._size() // PROGRESS, self.watch)
        return mismatch(self.part, self.file, self.watch)

    def _receive(self) -> None:
        """All that is missing, in one answer.

        Raises:
            BreakError: not all of it came.
            RefusalError: the server says no, or has another file.
        """
        known = self._version()
        if known is None and self._size():
            self.watch.say(f"'{self.part}' cannot be gone on with: downloading it anew")
        have = self._size() if known else 0
        self._count_to(have)
        with opened(self.address, headers=self.file.headers, start=have, version=known.name if known else "") as answer:
            if answer.start is None:
                self._after_the_end(answer, have)
                return
            self._check_size(answer)
            version = Version(self.address, answer.etag, answer.modified, answer.total)
            start = answer.start
            if start > 0 and not (known and _same(known, version, vouched=bool(self.file.checksum))):
                self._drop()
                raise BreakError(f"{answer.host} has another version of '{self.file.name}' now")
            if start == 0:
                self.part.unlink(missing_ok=True)  # before anything says that it is of this version
                write_text(_version_file(self.part), json.dumps({"format": FORMAT, **asdict(version)}))
            self._write(answer, start)
        have, total = self._size(), self.file.size if answer.total is None else answer.total
        if total is not None and have != total:
            raise BreakError(f"the connection to {answer.host} ended after {have:,} of {total:,} bytes")

    def _write(self, answer: Answer, start: int) -> None:
        self._count_to(start)
        self.resumed = self.resumed or start > 0
        with self.part.open("r+b" if start else "wb") as out:
            out.truncate(start)
            out.seek(start)
            while chunk := answer.read(CHUNK):
                self.watch.check()
                out.write(chunk)
                out.flush()  # so that a process that is killed has kept it
                self._count_to(self.counted + len(chunk))
                if self.file.size is not None and self.counted > self.file.size:
                    raise self._other_size(f"more than {self.file.size:,}")

    def _after_the_end(self, answer: Answer, have: int) -> None:
        """The server says that the file ends before what is missing: either all is there, or it is another file."""
        if answer.total != have:
            self._drop()
            raise BreakError(f"{answer.host} has another version of '{self.file.name}' now")

    def _check_size(self, answer: Answer) -> None:
        if None not in (answer.total, self.file.size) and answer.total != self.file.size:
            raise self._other_size(f"{answer.total:,}")

    def _other_size(self, found: str) -> RefusalError:
        return RefusalError(
            f"the server's file has {found} bytes where {self.file.size:,} were published",
            f"Its publisher has changed the file: {PAGE}.",
        )

    def _version(self) -> Version | None:
        """Of what lies there, if it can be gone on with from this address."""
        try:
            written = json.loads(_version_file(self.part).read_text(encoding="utf-8"))
            if not self.part.is_file() or written.pop("format") != FORMAT:
                return None
            version = Version(**written)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # of another version of this library, or half written: it counts as not there
        if version.address != self.address:
            # The checksum vouches for the whole, but another server's name of the version says nothing here.
            return Version(self.address, "", "", version.total) if self.file.checksum else None
        return version if version.name or self.file.checksum else None

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        _version_file(self.part).unlink(missing_ok=True)

    def _count_to(self, size: int) -> None:
        """Tell how many bytes of the file there are now."""
        self.watch.count(size - self.counted)
        self.counted = size


def _same(known: Version, found: Version, vouched: bool) -> bool:
    """Whether a server goes on with the version that was begun; some ignore what they are asked for.

    Args:
        known: what was begun.
        found: what the server sends now.
        vouched: a checksum will tell in the end, so that the server need not.
    """
    if None not in (known.total, found.total) and known.total != found.total:
        return False
    names = ((known.etag.removeprefix("W/"), found.etag.removeprefix("W/")), (known.modified, found.modified))
    return next((one == other for one, other in names if one and other), vouched)


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
