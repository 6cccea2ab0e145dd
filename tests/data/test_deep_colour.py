"""16 bits of colour and alpha, against files written sample by sample, and against OpenCV."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pylon_zoo.data.images import read_image, read_image_bytes
from pylon_zoo.errors import ImageError

COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
"""Channels → what a PNG calls them."""


def pixels(channels: int, height: int = 5, width: int = 7) -> np.ndarray:
    """Values whose lower bytes matter."""
    return np.random.default_rng(channels).integers(0, 65536, (height, width, channels)).astype(np.uint16)


def png(values: np.ndarray, lines: bytes = b"", **chunks: bytes) -> bytes:
    """A file of 16 bits a sample, written by the specification; extra chunks stand before the pixels.

    `lines` are the filtered ones; by default no line is filtered.
    """
    height, width, channels = values.shape
    lines = lines or b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    parts = {"IHDR": header, **chunks, "IDAT": zlib.compress(lines), "IEND": b""}
    whole = b"\x89PNG\r\n\x1a\n"
    for name, content in parts.items():
        kind = name.encode()
        whole += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return whole


FILTERS = (
    lambda left, above, corner: 0,
    lambda left, above, corner: left,
    lambda left, above, corner: above,
    lambda left, above, corner: (left + above) // 2,
    lambda left, above, corner: min((left, above, corner), key=lambda one: abs(left + above - corner - one)),
)
"""What each of the specification's filters takes a byte to be."""


def filtered(values: np.ndarray) -> bytes:
    """The lines of a picture, by each filter in turn."""
    step, lines, above = 2 * values.shape[2], b"", bytes(values[0].nbytes)
    for number, row in enumerate(values):
        line = row.astype(">u2").tobytes()
        shifted, corner = (bytes(step) + one[:-step] for one in (line, above))
        guess = FILTERS[number % 5]
        bytewise = zip(line, shifted, above, corner, strict=True)
        lines += bytes([number % 5]) + bytes((byte - guess(*around)) % 256 for byte, *around in bytewise)
        above = line
    return lines


def expected(values: np.ndarray) -> torch.Tensor:
    """What is to be read: alpha composited on black."""
    scaled = torch.from_numpy(values.astype(np.float64) / 65535).permute(2, 0, 1)
    return scaled[:-1] * scaled[-1:] if len(scaled) in (2, 4) else scaled


def same(image: torch.Tensor, values: torch.Tensor) -> bool:
    return image.dtype == torch.float32 and torch.allclose(image.double(), values, atol=1e-7, rtol=0)


@pytest.mark.parametrize("channels", COLOUR_TYPES)
def test_pngs_are_read_to_the_last_bit(tmp_path, channels):
    values = pixels(channels)
    (tmp_path / "image.png").write_bytes(png(values))
    for image in (
        read_image(tmp_path / "image.png"),
        read_image_bytes(png(values), "image.png"),
        read_image(Image.open(tmp_path / "image.png")),
    ):
        assert same(image, expected(values))


@pytest.mark.parametrize("channels", [3, 4])
def test_every_filter_and_what_opencv_says(channels):
    values = pixels(channels, 20, 9)
    content = png(values, filtered(values))
    theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(theirs, values[..., [2, 1, 0, 3][:channels]])
    assert same(read_image_bytes(content, "image.png"), expected(values))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_transparent_value_of_16_bits_is_black(channels):
    values = pixels(channels)
    values[0, 0] = values[2, 3] + 1  # of the same upper byte, and not transparent
    content = png(values, tRNS=values[2, 3].astype(">u2").tobytes())
    wanted = expected(values)
    wanted[:, 2, 3] = 0
    assert same(read_image_bytes(content, "image.png"), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    small = (pixels(3) >> 8).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "png", exif=exif)
    upright = read_image_bytes(buffer.getvalue(), "small.png")
    deep = read_image_bytes(png(small.astype(np.uint16) * 257, eXIf=exif.tobytes()[6:]), "deep.png")
    assert same(deep, upright.double() / 255)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiffs_are_read_to_the_last_bit(tmp_path, channels, byteorder, compression):
    values = pixels(channels, 40, 33)
    how = {"photometric": "rgb", "byteorder": byteorder, "compression": compression, "rowsperstrip": 16}
    how |= {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    how |= {"predictor": 2} if compression else {}
    tifffile.imwrite(tmp_path / "image.tif", values, **how)
    assert same(read_image(tmp_path / "image.tif"), expected(values))


def test_planes_apart_keep_the_bits_that_pillow_keeps(tmp_path):
    values = pixels(3)
    planes = np.moveaxis(values, -1, 0)
    tifffile.imwrite(tmp_path / "image.tif", planes, photometric="rgb", planarconfig="separate", compression="zlib")
    image = read_image(tmp_path / "image.tif")
    assert image.dtype == torch.uint8
    assert torch.equal(image, torch.from_numpy((planes >> 8).astype(np.uint8)))


@pytest.mark.parametrize("cut", [40, 60, 150])
def test_damaged_files_are_named(cut):
    with pytest.raises(ImageError, match=r"'image\.png' is cut short or corrupt"):
        read_image_bytes(png(pixels(3))[:cut], "image.png")


def test_a_byte_that_is_wrong_does_not_end_the_process():
    content = bytearray(png(pixels(3, 64, 64)))
    content[len(content) // 2] ^= 0xFF  # the pixels' checksums do not fit any more
    with pytest.raises(ImageError, match=r"'image\.png' is cut short or corrupt"):
        read_image_bytes(bytes(content), "image.png")


def test_an_image_that_pillow_has_decoded_is_as_pillow_left_it(tmp_path):
    values = pixels(3)
    (tmp_path / "image.png").write_bytes(png(values))
    image = Image.open(tmp_path / "image.png")
    image.load()
    assert torch.equal(read_image(image), torch.from_numpy((values >> 8).astype(np.uint8)).permute(2, 0, 1))


def test_an_open_image_is_left_as_it_was(tmp_path):
    values = pixels(3)
    (tmp_path / "image.png").write_bytes(png(values))
    image = Image.open(tmp_path / "image.png")
    read_image(image)
    assert np.array_equal(np.asarray(image), (values >> 8).astype(np.uint8))


def test_grey_with_alpha_and_palettes_stay_what_they_are():
    palette = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).convert("P")
    palette.putpalette([*range(255, -1, -1)] * 3)
    buffer = io.BytesIO()
    palette.save(buffer, "png", transparency=3)
    image = read_image_bytes(buffer.getvalue(), "palette.png")
    assert (image.dtype, image.shape) == (torch.uint8, (3, 3, 4))
    assert image[:, 0, 3].tolist() == [0, 0, 0]
    assert read_image_bytes(png(pixels(2)), "grey.png").shape == (1, 5, 7)
