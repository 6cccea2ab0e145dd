"""WebDataset shards: the members of a tar file that are images, by the place of their bytes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from pylon_zoo import remote
from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.errors import DataError


def list_tar(path: str | Path, columns: Any = None) -> Iterator[Item]:
    """The images of an uncompressed tar file in its order; only headers are read, one at a time.

    Args:
        path: the shard; a text may be an address.
        columns: not used; shards have none.

    Raises:
        DataError: it is no tar file, compressed, or cut short; what stands before is yielded first.
    """
    count = 0
    try:
        with remote.open_binary(path) as file, tarfile.open(fileobj=file, mode="r:") as shard:
            while (member := shard.next()) is not None:
                shard.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it; else every header stays in memory
                name = PurePath(member.name)
                if member.isreg() and name.suffix.lower() in IMAGE_SUFFIXES and not name.name.startswith("."):
                    count += 1
                    yield Item(member.name, str(path), "span", str(path), member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        after = f" after {count} images" if count else ""
        raise DataError(f"'{path}' is not a whole tar file ({error}){after}: copy it again, uncompressed.") from error
