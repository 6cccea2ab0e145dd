from __future__ import annotations

import numpy as np
import pytest

from pylon_zoo.data.drawing import (
    blur,
    inside,
    join,
    pixel_centres,
    pixels_between,
    ridge,
    splat,
    stream,
    value_noise,
    warped_noise,
)


def test_streams_are_repeatable_and_differ_in_every_part_of_the_key():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    draws = [stream(*key).random(4).tolist() for key in keys]
    assert draws == [stream(*key).random(4).tolist() for key in keys]
    assert len({tuple(draw) for draw in draws}) == len(keys)


def test_inside_ends_where_it_says():
    distance = np.array([-0.2, -0.1, 0.0, 0.1, 0.2], np.float32)
    assert inside(distance, 0.1).tolist() == pytest.approx([0, 0, 0.5, 1, 1])


def test_ridge_is_highest_on_the_line_and_gone_at_its_width():
    distance = np.array([-0.2, -0.1, 0.0, 0.1, 0.2], np.float32)
    assert ridge(distance, 0.2).tolist() == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_join_fills_only_the_notch():
    first, second = np.array([0.5, 0.1], np.float32), np.array([-0.5, 0.1], np.float32)
    # Apart: the larger one. Equal: a quarter of the blend more.
    assert join(first, second, 0.04).tolist() == pytest.approx([0.5, 0.11])


def test_pixels_between_takes_the_centres_inside():
    # Centres of 10 pixels: 0.05, 0.15, ... 0.95.
    assert pixels_between(0.10, 0.30, 10) == slice(1, 3)
    assert pixels_between(-1.0, 2.0, 10).indices(10)[:2] == (0, 10)
    assert pixels_between(0.16, 0.24, 10) == slice(2, 2)


def test_pixel_centres_cannot_be_changed_through_the_cache():
    with pytest.raises(ValueError, match="read-only"):
        pixel_centres(8)[0] = 0.0


def test_value_noise_meets_its_table_at_the_lattice():
    table = np.arange(9, dtype=np.float32).reshape(3, 3)
    at = np.array([0.0, 0.5, 1.0], np.float32)
    assert np.array_equal(value_noise(table, at, at), table)
    middle = np.array([0.25], np.float32)
    assert value_noise(table, middle, middle).item() == pytest.approx(2.0)  # mean of 0, 1, 3, 4


def test_warped_noise_meets_its_table_and_wraps():
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    u, v = np.array([0.0, 1.0, 3.0, -1.0], np.float32), np.array([0.0, 1.0, 2.0, 0.0], np.float32)
    assert warped_noise(table, u, v).tolist() == [0.0, 4.0, 0.0, 2.0]


def test_splat_keeps_the_weight_and_its_place():
    picture = splat(np.array([0.50, 2.0]), np.array([0.25, 0.5]), np.array([3.0, 9.0]), 16)
    assert picture.mean() == pytest.approx(3.0)
    rows, columns = (np.average(np.arange(16) + 0.5, weights=picture.sum(axis=axis)) / 16 for axis in (1, 0))
    assert (rows, columns) == pytest.approx((0.25, 0.50))


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_blur_keeps_the_sum_and_is_symmetric(sigma):
    picture = np.zeros((33, 33), np.float32)
    picture[16, 16] = 1.0
    out = blur(picture, sigma)
    assert out.sum() == pytest.approx(1.0, abs=1e-5)
    assert np.allclose(out, out.T)
    assert np.allclose(out, out[::-1])
    assert out[16, 16] == out.max() < 1.0
