"""WebDataset shards: the members of a tar file that are images, by the place of their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.data.tar_members import tar_members
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.remote import suffix_of


def list_tar(path: str | Path, columns: Any = None) -> Iterator[Item]:
    """The images of an uncompressed tar file in its order; only headers are read, one at a time.

    Args:
        path: the shard, on this machine or at an address.
        columns: not used; shards have none.

    Raises:
        DataError: it is no tar file, compressed, or cut short; what stands before is yielded first.
    """
    for member in tar_members(path):
        if suffix_of(member.name) in IMAGE_SUFFIXES:
            yield Item(member.name, str(path), "span", str(path), member.start, member.size)
