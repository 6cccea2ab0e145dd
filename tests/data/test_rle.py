from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pylon_zoo.data.rle import decode_rle, mask_size
from pylon_zoo.errors import DataError


def test_runs_go_down_the_columns():
    mask = decode_rle("x", {"size": [2, 3], "counts": [0, 1, 3, 2]})
    assert mask.tolist() == [[True, False, True], [False, False, True]]
    assert mask.dtype == torch.bool
    # 5 absent, 1 present, as text: one character each, 48 + 5 and 48 + 1
    assert decode_rle("x", {"size": [3, 2], "counts": "51"}).tolist() == [[False] * 2, [False] * 2, [False, True]]
    assert mask_size("x", {"size": [3, 2], "counts": "51"}) == (3, 2)


def test_an_empty_mask_of_the_release():
    mask = decode_rle("x", {"size": [2320, 2828], "counts": "PVWX6"})
    assert (mask.shape, int(mask.sum())) == ((2320, 2828), 0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_same_as_pycocotools(height, width, seed, share):
    coco = pytest.importorskip("pycocotools.mask")
    expected = np.random.default_rng(seed).random((height, width)) < share
    rle = coco.encode(np.asfortranarray(expected.astype(np.uint8)))
    decoded = decode_rle("x", {"size": rle["size"], "counts": rle["counts"].decode()})
    assert np.array_equal(decoded.numpy(), expected)


def test_a_large_blob_is_the_same_as_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    y, x = np.mgrid[:1500, :2000]
    expected = (y - 700) ** 2 + (x - 900) ** 2 < 400**2
    rle = coco.encode(np.asfortranarray(expected.astype(np.uint8)))
    assert np.array_equal(decode_rle("x", {"size": rle["size"], "counts": rle["counts"].decode()}).numpy(), expected)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        (7, "x is no object"),
        ({"counts": "6"}, "has nothing as 'size'"),
        ({"size": [2, 3]}, "has nothing as 'counts'"),
        ({"size": [2], "counts": "6"}, r"has the size \[2\]"),
        ({"size": [2, 0], "counts": "6"}, "has the size"),
        ({"size": [2, True], "counts": "6"}, "has the size"),
        ({"size": [2, 3], "counts": "7"}, "has runs over 7 pixels, but a size of 2×3"),
        ({"size": [2, 3], "counts": ""}, "has runs over 0 pixels"),
        ({"size": [2, 3], "counts": "6 "}, "has the character ' '"),
        ({"size": [2, 3], "counts": "P"}, "cut short"),
        ({"size": [2, 3], "counts": "P" * 99}, "a run too long"),
        ({"size": [2, 3], "counts": [7, -1]}, "no whole numbers"),
        ({"size": [2, 3], "counts": [6.0]}, "no whole numbers"),
        ({"size": [2, 3], "counts": "6O1"}, "no whole numbers"),
    ],
)
def test_malformed_runs(rle, message):
    with pytest.raises(DataError, match=message):
        decode_rle("x", rle)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=[chr(code) for code in range(45, 115)], max_size=12))
def test_any_text_is_a_mask_or_refused(text):
    try:
        mask = decode_rle("x", {"size": [4, 4], "counts": text})
    except DataError:
        return
    assert mask.shape == (4, 4)
