from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from PIL import Image

from pylon_zoo.data.chestx_det import CLASSES, ChestXDet
from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

TRAIN = [{"file_name": f"{number}.png", "syms": [], "boxes": [], "polygons": []} for number in range(36100, 36140)]
SQUARE = [[256, 512], [511, 512], [511, 767], [256, 767]]
TEST = [
    {"file_name": "36199.png", "syms": [], "boxes": [], "polygons": []},
    {
        "file_name": "36302.png",
        "syms": ["Mass", "Effusion", "Mass", "Mass"],
        "boxes": [[256, 512, 512, 768], [0, 0, 1024, 1024], [256, 512, 512, 768], [0, 0, 8, 8]],
        "polygons": [SQUARE, [[0, 0], [0, 1024], [1024, 1024], [1024, 0]], SQUARE, [[0, 0], [7, 0], [7, 7], [0, 7]]],
    },
]
FILE = "ChestX_Det_test.json"


@pytest.fixture
def root(tmp_path) -> Path:
    for part, entries in (("train", TRAIN), ("test", TEST)):
        (tmp_path / f"ChestX_Det_{part}.json").write_text(json.dumps(entries), encoding="utf-8")
        (tmp_path / f"{part}_data").mkdir()
        for entry in entries:
            Image.linear_gradient("L").resize((128, 128)).save(tmp_path / f"{part}_data" / entry["file_name"])
    return tmp_path


def test_the_test_split(root):
    data = ChestXDet(root, "test")
    mass, effusion = CLASSES.index("Mass"), CLASSES.index("Effusion")
    assert data.targets().nonzero().tolist() == [[1, effusion], [1, mass]]
    assert data.patients == ["36199.png", "36302.png"]
    # by 1/8, and the box that is there twice, once
    assert data[1].boxes.tolist() == [[mass, 32, 64, 64, 96], [effusion, 0, 0, 128, 128], [mass, 0, 0, 1, 1]]
    assert (data[1].image.shape, data[1].masks) == ((1, 128, 128), None)


def test_masks_are_filled_contours(root):
    masks = open_dataset(f"chestx-det:{root}", "test", masks=True)[1].masks
    mass, effusion = CLASSES.index("Mass"), CLASSES.index("Effusion")
    assert (masks.shape, masks.dtype) == ((13, 128, 128), torch.bool)
    assert masks[effusion].all()
    expected = torch.zeros(128, 128, dtype=torch.bool)
    expected[64:96, 32:64] = expected[0, 0] = True
    assert torch.equal(masks[mass], expected)
    assert masks.any(dim=(1, 2)).sum() == 2


def test_training_images_are_shared_out(root):
    train, val = ChestXDet(root, "train", val_fraction=0.4), ChestXDet(root, "val", val_fraction=0.4)
    assert sorted(train.patients + val.patients) == [entry["file_name"] for entry in TRAIN]
    assert 6 < len(val) < 26
    assert len(ChestXDet(root, "val", val_fraction=0)) == 0


def test_images_one_folder_deeper(root):
    (root / "test_data").rename(root / "test")
    (root / "test_data").mkdir()
    (root / "test").rename(root / "test_data/test")
    assert ChestXDet(root, "test")[0].image.shape == (1, 128, 128)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("file_name", None, r"entry \[1\] has None as 'file_name'"),
        ("file_name", "36199.png", r"entry \[1\] repeats the file '36199.png'"),
        ("file_name", "no.png", r"1 of the 2 images of split 'test' are not on disk.*'no.png'"),
        ("syms", None, r"entry \[1\] \('36302.png'\) has None as 'syms'"),
        ("syms", ["Mass"], "has 1 syms, 4 boxes and 4 polygons"),
        ("syms", ["Mass", "Effusion", "Mass", "Moss"], "has the sym 'Moss'.* Did you mean 'Mass'"),
        ("syms", ["Mass", "Effusion", "Mass", 3], "has the sym 3"),
        ("boxes", [[0, 0, 8, 8]] * 3 + [[0, 0, 0, 8]], "has a box"),
        ("boxes", [[0, 0, 8, 8]] * 3 + [[0, 0, 8]], "has a box"),
        ("boxes", [[0, 0, 8, 8]] * 3 + [8], "has a box"),
        ("boxes", [[0, 0, 8, 8]] * 3 + [[0, 0, 8, 1026]], "has a box .*inside the image, 1024 wide and 1024 high"),
        ("polygons", [SQUARE] * 3 + [SQUARE[:2]], "has a polygon that is not three or more points"),
        ("polygons", [SQUARE] * 3 + [[[0, 0], [1, 1], [2]]], "has a polygon"),
        ("polygons", [SQUARE] * 3 + [[[0, 0], [1, 1], [2, 2000]]], "has a polygon"),
        ("polygons", [SQUARE] * 3 + ["square"], "has a polygon"),
    ],
)
def test_a_malformed_entry_is_named(root, key, value, message):
    entries = deepcopy(TEST)
    entries[1][key] = value
    (root / FILE).write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        ChestXDet(root, "test")
    assert FILE in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[]", "[7]", "[NaN]"])
def test_files_of_another_kind(root, content):
    (root / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=FILE):
        ChestXDet(root, "test")


def test_options(root):
    with pytest.raises(ConfigError, match="val_fraction=1"):
        ChestXDet(root, "val", val_fraction=1)
    with pytest.raises(UnknownNameError, match="Unknown split"):
        ChestXDet(root, "all")
    (root / FILE).unlink()
    with pytest.raises(DataError, match=r"ChestX_Det_test\.json' does not exist"):
        ChestXDet(root, "test")


def test_a_check_goes_on_after_a_malformed_entry(root):
    entries = deepcopy(TEST)
    entries[1]["syms"][0] = "?"
    (root / FILE).write_text(json.dumps(entries), encoding="utf-8")
    with collect_problems() as problems:
        assert len(ChestXDet(root, "test")) == 1
    assert len(problems) == 1
