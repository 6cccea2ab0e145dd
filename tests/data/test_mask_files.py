from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.data.mask_files import read_mask, stack_masks
from pylon_zoo.errors import DataError, ImageError


def save(path: Path, values: list[list[int]], mode: str = "L") -> Path:
    Image.fromarray(np.array(values, dtype=np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_black_and_white(tmp_path, mode):
    assert read_mask(save(tmp_path / "m.png", [[0, 255], [0, 0]], mode)).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1, 3], [False, True, True]), ([9, 127, 255], [False, False, True]), ([0, 0, 0], [False] * 3)],
)
def test_indices_and_blurred_edges(tmp_path, values, expected):
    assert read_mask(save(tmp_path / "m.png", [values])).tolist() == [expected]


def test_stacked(tmp_path):
    one, other = save(tmp_path / "1.png", [[255, 0], [0, 0]]), save(tmp_path / "2.png", [[0, 255], [0, 0]])
    masks = stack_masks({1: [one, other]}, 3, Path("i.png"), (4, 4))
    assert torch.equal(masks[1], torch.tensor([[True, True], [False, False]]))
    assert not masks[[0, 2]].any()
    assert stack_masks({}, 2, Path("i.png"), (4, 6)).shape == (2, 4, 6)


@pytest.mark.parametrize(("size", "fits"), [((2, 2), True), ((301, 302), True), ((3, 6), False), ((6, 3), False)])
def test_a_mask_has_its_images_shape(tmp_path, size, fits):
    files = {0: [save(tmp_path / "m.png", [[255] * 50] * 50)]}
    if fits:
        assert stack_masks(files, 1, Path("i.png"), size).all()
        return
    with pytest.raises(DataError, match=r"m.png' is 50 wide and 50 high, but its image 'i.png' \d wide"):
        stack_masks(files, 1, Path("i.png"), size)


def test_two_masks_of_two_sizes(tmp_path):
    files = {0: [save(tmp_path / "1.png", [[255] * 4] * 4), save(tmp_path / "2.png", [[255] * 2] * 2)]}
    with pytest.raises(DataError, match=r"2.png' is 2 wide"):
        stack_masks(files, 1, Path("i.png"), (4, 4))
    with pytest.raises(ImageError, match=r"no\.png"):
        stack_masks({0: [tmp_path / "no.png"]}, 1, Path("i.png"), (4, 4))
