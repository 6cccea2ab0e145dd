"""One image that is to be predicted: where its bytes are, and how it is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from pylon_zoo import remote
from pylon_zoo.data.dicom import NamedBytes
from pylon_zoo.data.images import read_image, read_image_bytes
from pylon_zoo.errors import DataError, ImageError, first_line


class Item(NamedTuple):
    """An image by its place, small enough for a list of millions on disk.

    Attributes:
        key: what the table calls it: its path, the member's name, its id.
        source: the shard or table it lies in; empty for a file of its own.
        kind: a key of `FILES`.
        file: what is opened: a path or an address.
        start, size: of the bytes in `file` for `"span"`; `start` is the row for `"row"`.
        error: for `"problem"`, why there is no image.
        content: for `"row"`, the image's bytes, once they are read.
        number: the row of the result, from 0.
    """

    key: str
    source: str
    kind: str
    file: str = ""
    start: int = 0
    size: int = 0
    error: str = ""
    content: bytes | None = None
    number: int = 0

    def to_line(self) -> str:
        """One line of JSON, without content and number."""
        return json.dumps(self[:-2]) + "\n"

    @classmethod
    def from_line(cls, line: str, number: int) -> Item:
        """What `to_line` wrote, as row `number`."""
        key, source, kind, file, start, size, error = json.loads(line)
        return cls(key, source, kind, file, start, size, error, number=number)


def open_item(item: Item) -> Tensor:
    """The image (C, H, W), as `pylon_zoo.data.images.read_image` gives it.

    Raises:
        ImageError: it cannot be read.
        DataError: there is none.
        MissingDependencyError: a DICOM file without pydicom installed.
    """
    file = file_of(item)
    return read_image(file) if isinstance(file, str) else read_image_bytes(file.getvalue(), file.name)


def file_of(item: Item) -> str | NamedBytes:
    """What an item is opened from: a path, or the bytes of a file and what errors call it.

    Raises:
        ImageError: the bytes cannot be had.
        DataError: there are none.
    """
    return FILES[item.kind](item)


def _span(item: Item) -> NamedBytes:
    name = f"{item.source}/{item.key}"
    try:
        content = _bytes_of(item)
    except OSError as error:
        raise ImageError(f"'{name}' cannot be opened: {error.strerror or error}.") from error
    if len(content) < item.size:
        raise ImageError(
            f"'{name}' is cut short: the shard ends {item.size - len(content)} bytes early. Copy it again."
        )
    return NamedBytes(content, name)


def _bytes_of(item: Item) -> bytes:
    if remote.is_remote(item.file):
        return remote.read_bytes(item.file, item.start, item.size)
    with Path(item.file).open("rb") as file:
        file.seek(item.start)
        return file.read(item.size)


def _file(item: Item) -> str | NamedBytes:
    if not remote.is_remote(item.file):
        return item.file
    try:
        return NamedBytes(remote.read_bytes(item.file), item.file)
    except FileNotFoundError as error:
        raise ImageError(f"'{item.file}' does not exist: check the address.") from error
    except OSError as error:
        raise ImageError(f"'{item.file}' cannot be opened: {first_line(error)}.") from error


def _row(item: Item) -> NamedBytes:
    if item.content is None:
        raise ImageError(f"'{item.source}' row {item.start + 1} ('{item.key}') has no image: fill it in.")
    return NamedBytes(item.content, item.key)


def _no_image(item: Item) -> NamedBytes:
    raise DataError(item.error)


FILES: dict[str, Callable[[Item], str | NamedBytes]] = {
    "file": _file,
    "span": _span,
    "row": _row,
    "problem": _no_image,
}
"""Kind of item → what its image is opened from."""
