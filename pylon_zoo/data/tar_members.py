"""The files in an uncompressed tar file by the place of their bytes, so that each can be read where it lies."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pylon_zoo import remote
from pylon_zoo.errors import DataError


class Member(NamedTuple):
    """A file in a tar file.

    Attributes:
        name: with folders, as archived, but without `./`.
        start, size: of its bytes in the tar file.
    """

    name: str
    start: int
    size: int

    @property
    def key(self) -> str:
        """WebDataset's key: the name up to the first dot of its last part. Files of one key are one sample."""
        folder, slash, file = self.name.rpartition("/")
        return folder + slash + file.partition(".")[0]

    @property
    def kind(self) -> str:
        """What stands behind that dot, in small letters."""
        return self.name.rpartition("/")[2].partition(".")[2].lower()


def tar_members(path: str | Path) -> Iterator[Member]:
    """The files of a tar file in its order, nothing hidden; only headers are read, one at a time.

    Args:
        path: on this machine, or an address (`pylon_zoo.remote`).

    Raises:
        DataError: it is no tar file, compressed, or cut short; what stands before is yielded first.
    """
    count = 0
    try:
        with remote.open_binary(path) as file, tarfile.open(fileobj=file, mode="r:") as shard:
            while (header := shard.next()) is not None:
                shard.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it; else every header stays in memory
                name = PurePosixPath(header.name)
                if header.isreg() and not name.name.startswith("."):
                    count += 1
                    yield Member(str(name), header.offset_data, header.size)
    except (tarfile.TarError, OSError) as error:
        after = f" after {count} files" if count else ""
        raise DataError(f"'{path}' is not a whole tar file ({error}){after}: copy it again, uncompressed.") from error
