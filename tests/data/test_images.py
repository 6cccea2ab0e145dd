from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.errors import ConfigError, ImageError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
DEEP = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000


def chw(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(np.atleast_3d(array), -1, 0).copy())


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_8_bit_files_are_read_to_the_bit(tmp_path, suffix, pixels):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path)
    image = read_image(str(path))
    assert image.dtype == torch.uint8
    assert torch.equal(image, chw(pixels))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 3)])
def test_jpegs_are_close(tmp_path, mode, channels):
    path = tmp_path / "image.jpg"
    flat = Image.new("RGB", (16, 16), (200, 200, 200)).convert(mode)
    flat.save(path, quality=95)
    image = read_image(path)
    assert image.shape == (channels, 16, 16)
    assert (image.int() - 200).abs().max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_keep_their_depth(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(DEEP).save(path)
    image = read_image(path)
    assert image.dtype == torch.float32
    assert torch.allclose(image, chw(DEEP.astype(np.float32) / 65535))


def test_a_tiff_that_stores_white_as_0_is_inverted_at_16_bits_too(tmp_path):
    path = tmp_path / "image.tif"
    Image.fromarray(DEEP).save(path, tiffinfo={262: 0})  # Pillow writes the values as they are, and the tag
    assert torch.allclose(read_image(path), 1 - chw(DEEP.astype(np.float32) / 65535))


def test_12_bit_tiffs_reach_white(tmp_path):
    from struct import pack

    # little-endian, the table of tags at byte 8; one row of two pixels, 0xfff and 0x800, packed into three bytes
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 200), (277, 1), (278, 1), (279, 3)]
    table = b"".join(pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\x00" + pack("<IH", 8, len(tags)) + table + pack("<I", 0)
    (tmp_path / "image.tif").write_bytes(head.ljust(200, b"\x00") + b"\xff\xf8\x00")
    assert read_image(tmp_path / "image.tif").flatten().tolist() == pytest.approx([1.0, 0x800 / 0xFFF])


def test_the_preview_in_a_phones_jpeg_is_not_a_page(tmp_path):
    path = tmp_path / "phone.jpg"
    Image.new("L", (8, 4), 90).save(path, format="MPO", save_all=True, append_images=[Image.new("L", (2, 1))])
    assert read_image(path).shape == (1, 4, 8)


def test_floating_point_tiffs_in_0_1_are_read_and_others_refused(tmp_path):
    path = tmp_path / "image.tif"
    pixels = (GREY / 255).astype(np.float32)
    Image.fromarray(pixels).save(path)
    assert torch.equal(read_image(path), chw(pixels))
    Image.fromarray(pixels * 300).save(path)
    with pytest.raises(ImageError, match=r"image\.tif' has floating-point values from 0 to 258\.\d+, outside \[0, 1\]"):
        read_image(path)


def test_32_bit_integers_are_refused(tmp_path):
    path = tmp_path / "image.tif"
    Image.fromarray(GREY.astype(np.int32)).save(path)
    with pytest.raises(ImageError, match="32-bit integer pixels"):
        read_image(path)


def test_palettes_become_colour_and_1_bit_becomes_grey(tmp_path):
    palette = Image.fromarray(GREY).convert("P")
    palette.putpalette([*range(255, -1, -1)] * 3)
    palette.save(tmp_path / "palette.png")
    assert torch.equal(read_image(tmp_path / "palette.png"), chw(np.asarray(palette.convert("RGB"))))
    Image.fromarray(GREY > 100).save(tmp_path / "bits.png")
    assert torch.equal(read_image(tmp_path / "bits.png"), chw((GREY > 100).astype(np.uint8) * 255))


def test_alpha_is_composited_on_black(tmp_path):
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 51], [200, 100, 50, 0]]], dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    expected = torch.tensor([[[200, 40, 0]], [[100, 20, 0]], [[50, 10, 0]]], dtype=torch.uint8)
    assert torch.equal(read_image(tmp_path / "rgba.png"), expected)
    assert torch.equal(read_image(rgba), expected)
    assert torch.allclose(read_image((rgba / 255).astype(np.float64)), expected / 255)
    Image.fromarray(rgba[..., [0, 3]]).save(tmp_path / "la.png")
    assert torch.equal(read_image(tmp_path / "la.png"), expected[:1])  # grey with alpha stays grey
    Image.fromarray(GREY).save(tmp_path / "key.png", transparency=40)
    assert torch.equal(read_image(tmp_path / "key.png"), chw(np.where(GREY == 40, 0, GREY)))


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_the_exif_rotation_is_applied_once(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side: the first row is the right-hand column
    wide = np.zeros((16, 32), dtype=np.uint8)
    wide[:, 16:] = 255  # stored: right half white; upright: lower half white
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(wide).save(path, exif=exif)
    image = read_image(path)
    assert image.shape == (1, 32, 16)
    assert image[0, 24:].min() > 250
    assert image[0, :8].max() < 5
    with path.open("rb") as file, Image.open(file) as opened:
        assert torch.equal(read_image(opened), image)


def test_content_counts_and_not_the_name(tmp_path):
    for name in ("image.dcm", "image"):
        Image.fromarray(GREY).save(tmp_path / name, format="PNG")
        assert torch.equal(read_image(tmp_path / name), chw(GREY))


@pytest.mark.parametrize(
    "source",
    [
        GREY,
        GREY[..., None],
        Image.fromarray(GREY),
        torch.from_numpy(GREY),
        torch.from_numpy(GREY)[None],
    ],
    ids=["array HW", "array HW1", "PIL", "tensor HW", "tensor 1HW"],
)
def test_everything_grey_is_one_channel(source):
    assert torch.equal(read_image(source), chw(GREY))


def test_colour_arrays_are_channels_last_and_tensors_channels_first():
    assert torch.equal(read_image(COLOUR), chw(COLOUR))
    assert torch.equal(read_image(chw(COLOUR)), chw(COLOUR))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_tensors_become_float32(dtype):
    image = read_image(torch.tensor([[0.0, 0.5, 1.0]], dtype=dtype, requires_grad=True))
    assert image.dtype == torch.float32
    assert image.tolist() == [[[0.0, 0.5, 1.0]]]


def test_uint16_is_scaled_in_arrays_of_either_byte_order_and_in_tensors():
    expected = chw(DEEP.astype(np.float32) / 65535)
    for source in (DEEP, DEEP.astype(">u2"), torch.from_numpy(DEEP)):
        assert torch.allclose(read_image(source), expected)


def test_the_result_shares_no_memory():
    array, tensor = np.zeros((2, 2), dtype=np.uint8), torch.zeros(1, 2, 2)
    images = read_image(array), read_image(tensor)
    array[:], tensor[:] = 9, 1
    assert all(image.sum() == 0 for image in images)


def test_one_pixel_is_an_image(tmp_path):
    Image.new("L", (1, 1), 7).save(tmp_path / "dot.png")
    assert read_image(tmp_path / "dot.png").tolist() == [[[7]]]


def broken_files(tmp_path):
    Image.fromarray(np.tile(COLOUR, (20, 20, 1))).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.png").write_bytes(whole[:20])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.png").write_text("not a picture, whatever its name says\n" * 9, encoding="utf-8")
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.png", "does not exist"),
        ("", "is a folder"),
        ("empty.png", r"is empty \(0 bytes\)"),
        ("cut.png", "is cut short or corrupt"),
        ("head.png", "is cut short or corrupt"),
        ("notes.png", "is not an image that can be read: give one of PNG, JPEG, TIFF, BMP, WEBP, DICOM"),
        ("pages.tif", "holds 2 pages or frames"),
        ("pipe.png", "is neither a file nor a folder"),
    ],
)
def test_files_that_are_no_image_say_why_in_one_sentence(tmp_path, name, reason):
    broken_files(tmp_path)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"'{tmp_path / name}'")
    assert message.endswith(".")
    assert "\n" not in message
    assert caught.value.exit_code == 1


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(np.tile(COLOUR, (6, 6, 1))).save(path)
    whole, expected = path.read_bytes(), read_image(path)
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:end])
        try:
            image = read_image(path)
        except ImageError:
            continue
        assert torch.equal(image, expected), f"{end} of {len(whole)} bytes were read as another picture"


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("1", (300, 300)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"bomb\.png' is too large to decode safely"):
        read_image(path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (np.array([[0.0, np.nan, np.inf]]), "The array has 2 NaN or infinite values"),
        (torch.tensor([[0.0, float("nan")]]), "The tensor has 1 NaN or infinite values"),
        (np.array([[-0.5, 0.5]]), r"values from -0\.5 to 0\.5, outside \[0, 1\]"),
        (torch.tensor([[0.0, 255.0]]), r"values from 0 to 255, outside \[0, 1\]"),
        (np.zeros((4, 4), dtype=np.int64), "dtype int64: give uint8, uint16, or floating point"),
        (torch.zeros(4, 4, dtype=torch.bool), "dtype bool"),
        (np.zeros((2, 4, 4, 3), dtype=np.uint8), r"The array has shape \(2, 4, 4, 3\)"),
        (
            np.zeros((3, 8, 8), dtype=np.uint8),
            r"shape \(3, 8, 8\), which is not one image: give \(H, W\) or \(H, W, C\)",
        ),
        (
            torch.zeros(8, 8, 3),
            r"The tensor has shape \(8, 8, 3\), which is not one image: give \(H, W\) or \(C, H, W\)",
        ),
        (torch.zeros(5), r"The tensor has shape \(5,\)"),
        (np.zeros((0, 4), dtype=np.uint8), r"The array has no pixels \(width 4, height 0\)"),
        (Image.new("L", (0, 3)), r"The PIL image has no pixels \(width 0, height 3\)"),
        ([[1, 2], [3, 4]], "Cannot read an image from list"),
    ],
)
def test_arrays_that_are_no_image_say_why(source, reason):
    with pytest.raises(ImageError, match=reason):
        read_image(source)


def test_a_closed_pil_image_is_refused(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "image.png")
    image = Image.open(tmp_path / "image.png")
    image.close()
    with pytest.raises(ImageError, match="The PIL image is cut short or corrupt"):
        read_image(image)


def test_luminance_is_pillows_to_the_bit():
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = chw(np.asarray(Image.fromarray(colours).convert("L")))
    assert torch.equal(to_channels(chw(colours), 1), expected)
    floating = to_channels(chw(colours) / 255, 1)
    assert floating.dtype == torch.float32
    assert (floating * 255 - expected).abs().max() <= 0.51


def test_channels_repeat_stay_or_refuse():
    grey = chw(GREY)
    assert torch.equal(to_channels(grey, 3), grey.expand(3, -1, -1))
    assert to_channels(grey, 1) is grey
    four = torch.zeros(4, 2, 2)
    assert to_channels(four, 4) is four
    with pytest.raises(ConfigError, match="The image has 3 channels and the model takes 4"):
        to_channels(torch.zeros(3, 2, 2), 4)
