"""One image file → the bytes of its smaller copy, and the name it gets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from pylon_zoo.cells import both
from pylon_zoo.data.dicom import read_dicom
from pylon_zoo.data.dicom_paper import read_dicom_as_paper
from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.data.prepared import PrepareOptions


class Writer(NamedTuple):
    """How files of a suffix are written: the copy's suffix (None keeps it), Pillow's format and its options."""

    suffix: str | None
    format: str
    deep: bool
    options: dict[str, Any]


JPEG = Writer(None, "JPEG", False, {"quality": 95, "subsampling": 0})
TIFF = Writer(None, "TIFF", True, {})
DICOM = Writer(".png", "PNG", True, {})
WRITERS = {
    ".png": Writer(None, "PNG", True, {}),
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": Writer(None, "BMP", False, {}),
    ".webp": Writer(None, "WEBP", False, {"lossless": True}),
    ".dcm": DICOM,
    ".dicom": DICOM,
}
"""Suffix → how. Names stay, so that the tables still fit, but for DICOM. `deep` formats can hold 16 bits of grey."""


def copy_name(name: str) -> str:
    """The name of an image's copy.

    Example:
        >>> copy_name("images/a.png"), copy_name("train/b.dicom")
        ('images/a.png', 'train/b.png')
    """
    suffix = WRITERS[Path(name).suffix.lower()].suffix
    return name if suffix is None else name[: -len(Path(name).suffix)] + suffix


def shrink(path: Path, options: PrepareOptions, channels: int) -> tuple[bytes, tuple[int, int]]:
    """An image's smaller copy.

    Grey datasets get grey copies. Antialiased cubic, aspect kept, until the shorter side is `options.size`; an image
    smaller than that is not enlarged. Colour is written with 8 bits whatever `options.bits`, as are formats that have
    no more.

    Args:
        path: the original.
        options: size, depth, and what to make of DICOM.
        channels: of the dataset, 1 or 3.

    Returns:
        The copy's bytes, and the original's height and width.

    Raises:
        ImageError: it cannot be read; names it.
    """
    writer = WRITERS[path.suffix.lower()]
    if writer is DICOM:
        image = read_dicom_as_paper(path) if options.dicom == "paper" else read_dicom(path, options.dicom)
        original = _dicom_size(path) if options.dicom == "paper" else both(image.shape[-2:])
    else:
        image = to_channels(read_image(path), channels)
        original = both(image.shape[-2:])
    image = _resized(v2.functional.to_dtype(image, torch.float32, scale=True), options.size)
    deep = options.bits == 16 and writer.deep and image.shape[0] == 1
    stream = io.BytesIO()
    compression = {"compress_level": options.compression} if writer.format == "PNG" else {}
    _picture(image, deep).save(stream, writer.format, **writer.options, **compression)
    return stream.getvalue(), original


def _resized(image: Tensor, size: int | None) -> Tensor:
    height, width = image.shape[-2:]
    if size is None or min(height, width) <= size:
        return image
    ratio = size / min(height, width)
    target = [max(round(height * ratio), size), max(round(width * ratio), size)]
    smaller: Tensor = v2.functional.resize(image, target, interpolation=InterpolationMode.BICUBIC, antialias=True)
    return smaller.clamp(0, 1)


def _picture(image: Tensor, deep: bool) -> Image.Image:
    dtype = np.uint16 if deep else np.uint8
    pixels = np.rint(image.double().numpy() * np.iinfo(dtype).max).astype(dtype)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _dicom_size(path: Path) -> tuple[int, int]:
    from pydicom import dcmread

    dataset = dcmread(path, force=True, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
    return int(dataset.Rows), int(dataset.Columns)
