from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pylon_zoo.explanation.caption import MIN_WIDTH, add_caption

TICKS = ("0", "0.5", "1")


@pytest.mark.parametrize(("width", "height"), [(512, 300), (1024, 1024), (1, 700)])
def test_the_picture_stays_as_it_is(width: int, height: int) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))
    result = add_caption(picture, "Nodule", 0.9, "64x64 map", TICKS, "inferno")
    assert result.width == max(width, MIN_WIDTH)
    assert height < result.height < height + 0.2 * max(width, MIN_WIDTH)
    left = (result.width - width) // 2
    assert np.array_equal(np.asarray(result)[:height, left : left + width], np.asarray(picture))


def test_label_and_probability_change_the_text() -> None:
    picture = Image.new("RGB", (512, 8))
    drawn = {
        add_caption(picture, label, probability, "64x64 map", TICKS, "inferno").tobytes()
        for label in ("Nodule", "Mass")
        for probability in (0.1, 0.9)
    }
    assert len(drawn) == 4


def test_a_long_label_stays_clear_of_the_scale() -> None:
    picture = Image.new("RGB", (512, 8))
    short, long = (
        np.asarray(add_caption(picture, label, 0.9, "64x64 map", TICKS, "inferno")) for label in ("A", "A" * 300)
    )
    scale = slice(int(0.66 * 512), None)
    assert np.array_equal(short[:, scale], long[:, scale])
    assert not np.array_equal(short, long)
