"""Pixels of 16 bits in colour or with alpha, for which Pillow has no mode and keeps the upper 8 bits of each sample.

Its decoders hand over whole samples, of which an "unpacker" takes one byte. So a file is decoded twice, by the unpacker
of the upper and of the lower byte, and both are put together: exact, no other library, and with Pillow's own care for
broken files. (torchvision 0.29 reads such PNGs sooner, and ends the process at one whose checksum is wrong.)
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

PLANAR_CONFIGURATION = 284  # TIFF tag; planes apart from each other have unpackers of their own
ENDS = {"B": "L", "L": "B"}
NATIVE = "L" if sys.byteorder == "little" else "B"
UNPACKERS = {
    f"{pixel};16{end}": (f"{pixel};16{end}", f"{pixel};16{ENDS[NATIVE if end == 'N' else end]}")
    for pixel in ("RGB", "RGBA", "RGBX")
    for end in ("B", "L", "N")
}
"""What Pillow calls the samples of a file → its unpackers of their upper and of their lower bytes."""
GREY_WITH_ALPHA = "LA;16B"
"""The same of PNGs; all four bytes of a pixel are what "RGBA" takes."""


def deep_pixels(image: Image.Image) -> np.ndarray | None:
    """The pixels of an image that Pillow has opened, not yet decoded, and would cut to 8 bits.

    Args:
        image: a file's; it is left as it was found.

    Returns:
        (H, W, C) uint16 with C from 2 to 4, alpha last, upright by its EXIF orientation; None for every image that
        Pillow reads at full depth, has decoded already, or whose samples it keeps in another way (premultiplied alpha,
        CMYK, planes apart).

    Raises:
        OSError, SyntaxError: as Pillow, the file is cut short or corrupt.

    Example:
        >>> deep_pixels(Image.new("RGB", (2, 2))) is None
        True
    """
    if image.mode == "L":  # most radiographs, and never deeper than it says
        return None
    kinds = {_unpacker(tile) for tile in getattr(image, "tile", ())}
    if len(kinds) != 1 or not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        return None
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PLANAR_CONFIGURATION, 1) != 1:
        return None
    (kind,) = kinds
    if kind not in UNPACKERS and kind != GREY_WITH_ALPHA:
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(place)
    if kind == GREY_WITH_ALPHA:
        both = _decoded(content, "RGBA")
        upper, lower = both[..., ::2], both[..., 1::2]
    else:
        upper, lower = (_decoded(content, unpacker) for unpacker in UNPACKERS[kind])
    return with_key(upper.astype(np.uint16) << 8 | lower, image.info.get("transparency"))


def with_key(pixels: np.ndarray, key: int | tuple[int, ...] | None) -> np.ndarray:
    """Pixels with an alpha that is 0 where they have the one value that is declared transparent.

    Args:
        pixels: (H, W, C) uint16.
        key: that value, of a pixel; None where there is none.

    Returns:
        (H, W, C + 1), or `pixels` themselves where there is no key.

    Example:
        >>> with_key(np.array([[[7], [9]]], dtype=np.uint16), 9)[0, :, 1].tolist()
        [65535, 0]
    """
    if key is None:
        return pixels
    seen = (pixels != np.array(key, dtype=np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([pixels, seen.astype(np.uint16) * 65535], axis=2)


def _unpacker(tile: tuple[Any, ...]) -> str:
    """What Pillow calls the samples of one part of a file."""
    settings = tile[3]
    return settings if isinstance(settings, str) else settings[0]


def _decoded(content: bytes, unpacker: str) -> np.ndarray:
    """(H, W, C) uint8 of a file by another unpacker than Pillow would take, upright."""
    with Image.open(io.BytesIO(content)) as image:
        tiles: list[Any] = [_by(unpacker, tile) for tile in image.tile]
        image.tile = tiles
        return np.asarray(ImageOps.exif_transpose(image))


def _by(unpacker: str, tile: tuple[Any, ...]) -> tuple[Any, ...]:
    """One part of a file, to be decoded by another unpacker."""
    settings = unpacker if isinstance(tile[3], str) else (unpacker, *tile[3][1:])
    changed = (*tile[:3], settings)
    return tile._make(changed) if hasattr(tile, "_make") else changed  # Pillow 10 has plain tuples
