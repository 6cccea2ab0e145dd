"""Masks as run lengths, the way COCO's tools write them, and the way the SIIM-ACR challenge does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.data.json_file import take
from pylon_zoo.errors import DataError

FIRST, LAST = 48, 111  # the characters that carry six bits each: five of a number, one that says "goes on"


def decode_rle(where: str, rle: Any) -> Tensor:
    """A mask from its run lengths.

    Runs go down the columns, from the left, absent and present in turn, beginning with absent. As text, each run is
    written as its difference from the one two before (from the fourth on), in groups of five bits, lowest first.

    Args:
        where: the file and place, for the message.
        rle: `{"size": [height, width], "counts": text or list of numbers}`.

    Returns:
        (height, width) bool.

    Raises:
        DataError: `rle` is something else, or its runs do not fill the mask.

    Example:
        >>> decode_rle("here", {"size": [2, 3], "counts": [1, 3, 2]}).int()
        tensor([[0, 1, 0],
                [1, 1, 0]], dtype=torch.int32)
    """
    height, width = _size(where, rle)
    written = take(where, rle, "counts", (str, list))
    counts = _from_text(where, written) if isinstance(written, str) else written
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        raise DataError(f"{where} has runs that are no whole numbers from 0 up: copy the file again.")
    if sum(counts) != height * width:
        raise DataError(
            f"{where} has runs over {sum(counts)} pixels, but a size of {height}×{width}: copy the file again."
        )
    values = np.arange(len(counts)) % 2 == 1
    pixels = np.repeat(values, np.asarray(counts, dtype=np.int64))
    return torch.from_numpy(pixels.reshape(width, height).T.copy())


def decode_gaps(where: str, text: str, size: tuple[int, int]) -> Tensor:
    """A mask from pairs of a gap since the last run's end and the length of a run, down the columns from the left.

    Args:
        where: the file and place, for the message.
        text: whole numbers with blanks between them.
        size: height and width of the mask.

    Returns:
        (height, width) bool.

    Raises:
        DataError: no such pairs, or they do not fit into the mask.

    Example:
        >>> decode_gaps("here", "1 3", (2, 3)).int()
        tensor([[0, 1, 0],
                [1, 1, 0]], dtype=torch.int32)
    """
    return decode_rle(where, {"size": list(size), "counts": gap_counts(where, text, size)})


def gap_counts(where: str, text: str, size: tuple[int, int]) -> list[int]:
    """The same as runs of absent and present pixels in turn, which fill the mask, without decoding it.

    Raises:
        DataError: as `decode_gaps`.

    Example:
        >>> gap_counts("here", "1 3", (2, 3))
        [1, 3, 2]
    """
    words = text.split()
    counts = [int(word) for word in words] if all(word.isascii() and word.isdigit() for word in words) else []
    height, width = size
    left = height * width - sum(counts)
    if not counts or len(counts) % 2 or left < 0:
        raise DataError(
            f"{where} has runs that are no pairs of whole numbers that fit into {height}×{width} pixels: copy the file "
            "again."
        )
    return [*counts, left]


def mask_size(where: str, rle: Any) -> tuple[int, int]:
    """Height and width of a mask without decoding it.

    Raises:
        DataError: they are not two whole numbers above 0.

    Example:
        >>> mask_size("here", {"size": [2, 3], "counts": "6"})
        (2, 3)
    """
    return _size(where, rle)


def _size(where: str, rle: Any) -> tuple[int, int]:
    size = take(where, rle, "size", list)
    if len(size) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
        raise DataError(f"{where} has the size {size}: it must be height and width, above 0. Copy the file again.")
    return size[0], size[1]


def _from_text(where: str, text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - FIRST
        if not 0 <= code <= LAST - FIRST or shift > 60:
            raise DataError(f"{where} has the character {character!r} in its runs, or a run too long: copy it again.")
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise DataError(f"{where} has runs that are cut short: copy the file again.")
    return counts
