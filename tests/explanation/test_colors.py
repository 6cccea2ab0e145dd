from __future__ import annotations

import numpy as np
import pytest

from pylon_zoo.errors import UnknownNameError
from pylon_zoo.explanation.colors import COLORMAPS, MAX_OPACITY, blend, lookup_table


def lightness(colors: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours in [0, 255]."""
    srgb = colors / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


@pytest.mark.parametrize("name", COLORMAPS)
def test_colours_grow_lighter_with_the_value(name: str) -> None:
    table = lookup_table(name)
    assert table.shape == (256, 3)
    assert lightness(table[1:]).min() >= 0
    assert (np.diff(lightness(table)) > -0.05).all()
    assert lightness(table)[-1] - lightness(table)[0] > 50


def test_no_evidence_leaves_the_image_untouched() -> None:
    grey = np.arange(6.0).reshape(2, 3) * 50
    assert np.array_equal(blend(grey, np.zeros((2, 3)), lookup_table()), np.repeat(grey[..., None], 3, axis=2))


def test_full_evidence_shows_the_colour_and_some_image() -> None:
    table = lookup_table("viridis")
    expected = table[255] * MAX_OPACITY + 100 * (1 - MAX_OPACITY)
    assert blend(np.full((1, 1), 100.0), np.ones((1, 1)), table)[0, 0] == pytest.approx(expected, abs=1e-3)


def test_a_misspelt_map_suggests_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'viridis'"):
        lookup_table("viridris")
