"""Any image a user has, as one tensor: from disk (PNG, JPEG, TIFF, DICOM, ...), PIL, NumPy or torch."""

from __future__ import annotations

import io
import math
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from pylon_zoo.data.deep_colour import deep_pixels, with_key
from pylon_zoo.data.dicom import NamedBytes, dicom_size, read_dicom
from pylon_zoo.data.image_files import DICOM, FORMATS, PILLOW_FORMATS, SIGNATURES, find_images, mode_of
from pylon_zoo.errors import ConfigError, ImageError

__all__ = ["find_images", "read_image", "read_image_bytes", "size_in_header", "to_channels"]


BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # TIFF tags
GREY_MODES = frozenset({"1", "L", "LA", "La"})
HEAD_BYTES = 132  # DICOM's preamble and magic word
OPENED = [one.name for one in PILLOW_FORMATS]
UPRIGHT = 1  # value of the EXIF orientation


def read_image(source: str | Path | Image.Image | np.ndarray | Tensor) -> Tensor:
    """One image as a tensor, whatever it comes as.

    8-bit pixels stay uint8; deeper ones (16-bit PNG or TIFF, floating-point TIFF, DICOM) become float32 in [0, 1],
    16-bit values divided by 65,535. Pillow keeps 8 bits of 16 in TIFFs of CMYK, of premultiplied alpha or of separate
    planes, and in a colour image that it has decoded before it is given here. Grey stays one channel (with alpha, too);
    everything else becomes RGB: palettes and CMYK are converted, alpha is composited on black. The EXIF orientation is
    applied; a TIFF that stores white as 0 is inverted. Files are told by content, not by name.

    Args:
        source: a path; a PIL image; an array (H, W) or (H, W, 1 | 3 | 4); or a tensor (H, W) or (1 | 3 | 4, H, W).
            Arrays and tensors are uint8, uint16, or floating point in [0, 1]; a fourth channel is alpha.

    Returns:
        (C, H, W) with C 1 or 3, uint8 or float32 in [0, 1], on the CPU, sharing no memory with `source`.

    Raises:
        ImageError: no such file, a folder, empty, cut short, no image, several pages, too large, NaN or infinite
            pixels, floats outside [0, 1], no pixels at all, or a shape or dtype that is none of the above.
        MissingDependencyError: a DICOM file without pydicom installed.

    Example:
        >>> read_image(np.zeros((4, 6, 3), dtype=np.uint8)).shape
        torch.Size([3, 4, 6])
    """
    if isinstance(source, str | Path):
        return _from_file(source)
    if isinstance(source, Image.Image):
        return _from_pil(source, "The PIL image")
    if isinstance(source, np.ndarray):
        return _from_pixels(_channels_last(source, "array", "(H, W) or (H, W, C)"), "The array")
    if isinstance(source, Tensor):
        return _from_tensor(source)
    raise ImageError(f"Cannot read an image from {type(source).__name__}: give a path, PIL image, array or tensor.")


def read_image_bytes(content: bytes, name: str) -> Tensor:
    """The image in the bytes of a file, as `read_image` would read that file.

    Args:
        content: the bytes.
        name: what errors call it; its suffix tells a DICOM that lacks the magic word.

    Returns:
        As `read_image`.

    Raises:
        ImageError, MissingDependencyError: as `read_image`.

    Example:
        >>> file = io.BytesIO(); Image.new("L", (6, 4)).save(file, "png")
        >>> read_image_bytes(file.getvalue(), "black.png").shape
        torch.Size([1, 4, 6])
    """
    head = content[:HEAD_BYTES]
    if not head:
        raise _empty(f"'{name}'")
    if is_dicom(PurePath(name), head):
        return read_dicom(NamedBytes(content, name))
    return _from_stream(io.BytesIO(content), head, f"'{name}'")


def size_in_header(content: bytes, name: str) -> tuple[int, int] | None:
    """How large an image is by its own words, before anything of it is decoded.

    Args:
        content: the bytes of a file.
        name: as for `read_image_bytes`.

    Returns:
        (height, width) in pixels; None where no header says it, which `read_image_bytes` then says in words.

    Example:
        >>> file = io.BytesIO(); Image.new("L", (6, 4)).save(file, "png")
        >>> size_in_header(file.getvalue(), "black.png"), size_in_header(b"text", "black.png")
        ((4, 6), None)
    """
    if is_dicom(PurePath(name), content[:HEAD_BYTES]):
        return dicom_size(NamedBytes(content, name))
    try:
        with Image.open(io.BytesIO(content), formats=OPENED) as image:
            return image.height, image.width
    except Exception:  # as when reading: which one does not matter, and the reader words it
        return None


def to_channels(image: Tensor, in_chans: int) -> Tensor:
    """The same image with as many channels as a model takes.

    Colour becomes grey by ITU-R 601 luminance (for uint8 to the bit what Pillow's mode "L" gives); grey becomes
    colour by repetition.

    Args:
        image: (C, H, W), uint8 or floating point.
        in_chans: the channels wanted.

    Returns:
        (in_chans, H, W) of the same dtype; `image` itself where nothing is to be done.

    Raises:
        ConfigError: neither 1 → 3 nor 3 → 1 nor equal.

    Example:
        >>> to_channels(torch.full((1, 2, 2), 7, dtype=torch.uint8), 3)[:, 0, 0]
        tensor([7, 7, 7], dtype=torch.uint8)
    """
    channels = image.shape[0]
    if channels == in_chans:
        return image
    if (channels, in_chans) == (1, 3):
        return image.repeat(3, 1, 1)
    if (channels, in_chans) == (3, 1):
        return _luminance(image)
    raise ConfigError(
        f"The image has {channels} channels and the model takes {in_chans}; only 1 and 3 convert into each other. "
        f"Give an image with {in_chans} channels, or a model with in_chans={channels}."
    )


def _luminance(image: Tensor) -> Tensor:
    if image.dtype != torch.uint8:
        return (image * image.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
    red, green, blue = image.to(torch.int32)
    grey: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16  # 0.299, 0.587, 0.114 of 65,536
    return grey.to(torch.uint8)[None]


def _from_file(path: str | Path) -> Tensor:
    # Of a text no Path is made, and the file is asked for once: of a small image both take longer than its pixels.
    name = f"'{path}'"
    try:
        mode = mode_of(path)
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name} is a folder, not an image: name a file in it, or search it with find_images.")
        if not mode:
            raise ImageError(f"{name} does not exist: check the path.")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{name} is neither a file nor a folder: give an image file.")
        # Opened here and not by Pillow, which maps a TIFF it opens by name, and garbles one that is to be rotated.
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(HEAD_BYTES)
            if not head:
                raise _empty(name)
            if not is_dicom(path, head):
                return _from_stream(file, head, name)
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{name} cannot be opened: {error.strerror or error}.") from error
    return read_dicom(Path(path))


def is_dicom(path: str | PurePath, head: bytes) -> bool:
    """Whether a file is to be read as DICOM.

    Args:
        path: its name.
        head: its first `HEAD_BYTES` bytes.
    """
    # Many are written without the preamble and its magic word, and have only their name to say what they are.
    if head.startswith(SIGNATURES):
        return head[128:] == b"DICM"
    return head[128:] == b"DICM" or PurePath(path).suffix.lower() in DICOM.suffixes


def _from_stream(file: BinaryIO, head: bytes, name: str) -> Tensor:
    file.seek(0)
    try:
        image = Image.open(file, formats=OPENED)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, error) from error
    except Exception as error:  # decoders fail in many ways on foreign bytes; which one does not matter to the caller
        if head.startswith(SIGNATURES):
            raise _damaged(name, error) from error
        known = ", ".join(one.name for one in FORMATS)
        raise ImageError(f"{name} is not an image that can be read: give one of {known}.") from error
    with image:
        return _from_pil(image, name)


def _from_pil(image: Image.Image, name: str) -> Tensor:
    try:
        frames = getattr(image, "n_frames", 1)
        # A phone's JPEG ("MPO") carries its preview as a second frame; the first one is the picture.
        if frames > 1 and image.format != "MPO":
            raise ImageError(f"{name} holds {frames} pages or frames: save the one that is meant as its own file.")
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
        pixels = deep_pixels(image)
        if pixels is None:
            pixels = _pil_pixels(_upright(image), tags.get(BITS_PER_SAMPLE, (16,))[0], name)
        # Pillow inverts "white is zero" for 8-bit TIFFs only
        white_is_zero = tags.get(PHOTOMETRIC) == 0
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, error) from error
    except Exception as error:  # as above
        raise _damaged(name, error) from error
    tensor = _from_pixels(pixels, name)
    return 1 - tensor if white_is_zero and tensor.is_floating_point() else tensor


def _upright(image: Image.Image) -> Image.Image:
    """An image turned as its EXIF orientation says; the image itself, and no copy of it, where it is upright."""
    image.load()
    if image.format == "PNG" and not image.info:  # what it is turned by would stand there; looking takes a while
        return image
    if image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) == UPRIGHT:
        return image
    return ImageOps.exif_transpose(image)


def _pil_pixels(image: Image.Image, bits: int, name: str) -> np.ndarray:
    """(H, W, C): uint8 with C from 1 to 4, or one deep channel; `bits` is the depth of integers beyond 8."""
    if image.mode.startswith("I;16"):
        pixels = with_key(np.asarray(image)[..., None], image.info.get("transparency"))
        return pixels if bits == 16 else pixels.astype(np.float32) / (2**bits - 1)
    if image.mode == "I":
        raise ImageError(
            f"{name} has signed or 32-bit integer pixels, whose range is not known: save it with 8 or 16 bits, or as "
            "floating point in [0, 1]."
        )
    if image.mode == "F":
        return np.asarray(image)[..., None]
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _from_tensor(tensor: Tensor) -> Tensor:
    if tensor.dtype == torch.bfloat16:  # NumPy has none
        tensor = tensor.float()
    array = tensor.detach().cpu().as_subclass(Tensor).numpy()
    if array.ndim == 3:
        array = np.moveaxis(array, 0, -1)
    return _from_pixels(_channels_last(array, "tensor", "(H, W) or (C, H, W)", tuple(tensor.shape)), "The tensor")


def _channels_last(array: np.ndarray, kind: str, layout: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3 and array.shape[-1] in (1, 3, 4):
        return array
    raise ImageError(
        f"The {kind} has shape {shape or array.shape}, which is not one image: give {layout} with C 1 (grey), 3 (RGB) "
        "or 4 (RGBA)."
    )


def _from_pixels(pixels: np.ndarray, name: str) -> Tensor:
    """(H, W, C) of uint8, uint16 or floats, checked, as a tensor (1 | 3, H, W)."""
    if not pixels.size:
        height, width = pixels.shape[:2]
        raise ImageError(f"{name} has no pixels (width {width}, height {height}): give an image of at least 1×1.")
    if pixels.dtype.newbyteorder("=") == np.uint16:
        pixels = pixels.astype(np.float32) / 65535
    elif pixels.dtype.kind == "f":
        _check_range(pixels, name)
        pixels = pixels.astype(np.float32)
    elif pixels.dtype != np.uint8:
        raise ImageError(f"{name} has dtype {pixels.dtype}: give uint8, uint16, or floating point in [0, 1].")
    if pixels.shape[-1] in (2, 4):
        pixels = _over_black(pixels)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _check_range(pixels: np.ndarray, name: str) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = int((~np.isfinite(pixels)).sum())
        raise ImageError(f"{name} has {bad} NaN or infinite values: replace them before reading.")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name} has floating-point values from {low:g} to {high:g}, outside [0, 1]: divide by the largest value "
            "the format allows, or give uint8 or uint16."
        )


def _over_black(pixels: np.ndarray) -> np.ndarray:
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    over: np.ndarray = colour * alpha if pixels.dtype != np.uint8 else (colour.astype(np.uint16) * alpha + 127) // 255
    return over.astype(pixels.dtype, copy=False)


def _empty(name: str) -> ImageError:
    return ImageError(f"{name} is empty (0 bytes): copy or export it again.")


def _damaged(name: str, error: BaseException) -> ImageError:
    reason = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else str(error).strip()
    return ImageError(f"{name} is cut short or corrupt ({reason}): copy or export it again.")


def _too_large(name: str, error: BaseException) -> ImageError:
    return ImageError(f"{name} is too large to decode safely ({error}): shrink it first.")
