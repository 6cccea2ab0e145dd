from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from dicoms import write_dicom
from PIL import Image
from prediction_inputs import encoded

from pylon_zoo.app.limits import Limits
from pylon_zoo.errors import ImageError

FEW = Limits(file_bytes=1_000_000, pixels=2_000_000, total_bytes=1_500_000)


def test_what_is_small_enough_is_taken() -> None:
    FEW.check_bytes(1_000_000, "a.png")
    FEW.check_pixels(encoded(0), "a.png")


def test_a_file_of_too_many_bytes() -> None:
    with pytest.raises(ImageError, match=r"'a.png' has 1\.2 MB, and at most 1 MB are taken: shrink it first\."):
        FEW.check_bytes(1_200_000, "a.png")


def test_too_many_bytes_together() -> None:
    with pytest.raises(ImageError, match=r"'b.png' was left out: at most 1\.5 MB are taken at a time"):
        FEW.check_bytes(800_000, "b.png", before=800_000)


def test_an_image_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("1", (2000, 1001)).save(buffer, "png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"'a.png' has 2000×1001 pixels, and at most 2 million are taken"):
        FEW.check_pixels(buffer.getvalue(), "a.png")


def test_a_dicom_of_too_many_pixels(tmp_path: Path) -> None:
    content = write_dicom(tmp_path / "a.dcm", np.zeros((2, 2), np.uint8), Rows=3000, Columns=1000).read_bytes()
    with pytest.raises(ImageError, match=r"'a\.dcm' has 1000×3000 pixels"):
        FEW.check_pixels(content, "a.dcm")


def test_what_has_no_header_is_left_to_the_reader() -> None:
    FEW.check_pixels(b"a letter", "a.png")
    FEW.check_pixels(b"", "a.png")
