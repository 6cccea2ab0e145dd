from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw, draw_mask
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.class_folders import ClassFolders
from pylon_zoo.data.mvtec import MvtecAd
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

BOX = (4, 2, 9, 5)  # x0, y0, x1, y1, edges


@pytest.fixture
def tiles(tmp_path) -> Path:
    """A folder for each split and class, masks beside the images."""
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            for of in ("crack", "fray", "free"):
                draw(tmp_path / split / of / f"{number}.png")
                if of != "free":
                    draw_mask(tmp_path / split / of / f"{number}_mask.png", BOX)
    return tmp_path


@pytest.fixture
def bottle(tmp_path) -> Path:
    """A category of MVTec AD."""
    root = tmp_path / "bottle"
    for number in range(20):
        draw(root / f"train/good/{number:03}.png")
        draw(root / f"test/good/{number:03}.png")
        for of in ("broken_large", "contamination"):
            draw(root / f"test/{of}/{number:03}.png")
            draw_mask(root / f"ground_truth/{of}/{number:03}_mask.png", BOX)
    return root


def test_masks_beside_the_images(tiles):
    data = ClassFolders(tiles, "train")
    assert (data.classes, len(data), data.channels) == (("crack", "fray"), 9, 3)
    assert data.patients[3] == "train/fray/0.png"
    assert data.targets().sum(dim=0).tolist() == [3, 3]
    assert data[3].boxes.tolist() == [[1, *BOX]]
    assert data[3].masks.sum(dim=(1, 2)).tolist() == [0, 15]
    assert (data[8].boxes.shape, bool(data[8].masks.any()), data[8].target.tolist()) == ((0, 5), False, [0, 0])
    report = check_dataset(f"folders:{tiles}")
    assert (report.problems, [split.masks for split in report.splits]) == ([], [[3, 3], [1, 1]])


def test_masks_move_with_the_image(tiles):
    Image.linear_gradient("L").resize((32, 24)).save(tiles / "train/fray/0.png")
    sample = ClassFolders(tiles, "train")[3]
    assert sample.boxes.tolist() == [[1, *(2 * one for one in BOX)]]
    assert sample.masks.shape == (2, 24, 32)


def test_options(tiles):
    data = open_dataset(f"folders:{tiles}", "val", merged="defect", channels=1)
    assert (data.classes, data.targets().tolist()) == (("defect",), [[1], [1], [0]])
    assert data[0].boxes[0].tolist() == [0, *BOX]
    data = open_dataset(f"folders:{tiles}", "val", masks=False)
    assert (data[0].masks, data[0].boxes.shape) == (None, (0, 5))
    assert open_dataset(f"folders:{tiles}", "val", normal="-").classes == ("crack", "fray", "free")
    assert open_dataset(f"folders:{tiles}", "val", normal=["free", "fray"]).classes == ("crack",)
    with pytest.raises(UnknownNameError, match=r"no class 'fry' of normal images.*Did you mean 'fray'"):
        ClassFolders(tiles, "val", normal="fry")
    with pytest.raises(UnknownNameError, match="has no split 'test': it has train, val"):
        ClassFolders(tiles, "test")
    with pytest.raises(ConfigError, match="channels=2"):
        ClassFolders(tiles, "val", channels=2)


def test_an_image_without_a_mask_has_none(tiles):
    (tiles / "train/fray/1_mask.png").unlink()
    data = ClassFolders(tiles, "train")
    assert (data[4].masks, data[4].boxes.shape, data[4].target.tolist()) == (None, (0, 5), [0, 1])


def test_as_image_folder(tmp_path):
    for number in range(10):
        draw(tmp_path / f"cat/deep/{number}.png")
        draw(tmp_path / f"dog/{number}.png")
    splits = {split: ClassFolders(tmp_path, split) for split in ("train", "val", "test")}
    assert [len(data) for data in splits.values()] == [14, 2, 4]
    assert ["cat/deep/3.png" in data.patients for data in splits.values()].count(True) == 1
    sample = splits["train"][0]
    assert (splits["train"].classes, sample.masks, sample.image.shape) == (("cat", "dog"), None, (3, 12, 16))
    assert check_dataset(f"folders:{tmp_path}").problems == []


def test_without_a_validation_folder_training_images_validate(tmp_path):
    for number in range(16):
        draw(tmp_path / f"train/cat/{number}.png")
    draw(tmp_path / "test/cat/0.png")
    assert [len(ClassFolders(tmp_path, split)) for split in ("train", "val", "test")] == [14, 2, 1]


def test_a_name_that_ends_in_mask_is_an_image_where_nothing_has_masks(tmp_path):
    draw(tmp_path / "train/with/a_mask.png")
    assert ClassFolders(tmp_path, "train").patients == ["train/with/a_mask.png"]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / "train/fray/1.png").unlink(), r"fray/1_mask.png' is the mask of no image in '.*fray'"),
        (
            lambda root: draw(root / "val/frey/1.png"),
            r"val/frey' is a class that '.*train' does not have: .*one of crack, fray, free. Did you.*'fray'",
        ),
        (lambda root: (root / "train").rename(root / "old"), "has no split 'train'"),
    ],
)
def test_what_is_wrong_is_named(tiles, break_it, message):
    break_it(tiles)
    with pytest.raises((DataError, UnknownNameError), match=message) as caught:
        ClassFolders(tiles, "train")
    assert "\n" not in str(caught.value)
    if isinstance(caught.value, DataError):
        assert len(check_dataset(f"folders:{tiles}").problems) == 1


def test_a_mask_of_another_shape_and_a_broken_one(tiles):
    Image.new("L", (12, 12)).save(tiles / "train/fray/0_mask.png")
    with pytest.raises(DataError, match=r"fray/0_mask.png' is 12 wide and 12 high, but its image '.*fray/0.png' 16"):
        ClassFolders(tiles, "train")[3]
    (tiles / "train/fray/1_mask.png").write_bytes(b"")
    assert len(check_dataset(f"folders:{tiles}").problems) == 2


def test_nothing_to_read(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="has no folder with images in it"):
        ClassFolders(tmp_path, "train")
    draw(tmp_path / "good/0.png")
    with pytest.raises(DataError, match="has the normal images of good alone"):
        ClassFolders(tmp_path, "train")


def test_mvtec_is_shared_out_so_that_defects_train(bottle):
    train, val, test = (MvtecAd(bottle, split) for split in ("train", "val", "test"))
    assert train.classes == ("broken_large", "contamination")
    assert [data.targets().sum(dim=0).tolist() for data in (train, val, test)] == [[14, 14], [2, 2], [4, 4]]
    assert [len(data) for data in (train, val, test)] == [56, 8, 16]
    sample = next(sample for sample in train if sample.target[1] == 1)
    assert sample.boxes.tolist() == [[1, *BOX]]
    assert check_dataset(f"mvtec-ad:{bottle}").problems == []


def test_mvtec_as_it_is_released(bottle):
    data = [open_dataset(f"mvtec-ad:{bottle}", split, official=True, merged="defect") for split in ("train", "val")]
    assert [len(one) for one in data] == [17, 3]
    test = MvtecAd(bottle, "test", official=True)
    assert (len(test), test.targets().sum(dim=0).tolist()) == (60, [20, 20])
    assert data[0].targets().sum() == 0


def test_mvtec_broken(bottle):
    with pytest.raises(DataError, match="train' does not exist; it holds bottle: give the folder of one of them"):
        MvtecAd(bottle.parent, "train")
    (bottle / "test/contamination/003.png").unlink()
    with pytest.raises(DataError, match=r"contamination/003_mask.png' is the mask of no image in '.*contamination'"):
        MvtecAd(bottle, "train")
    assert len(check_dataset(f"mvtec-ad:{bottle}").problems) == 1


def test_visa_as_its_script_sorts_it(tmp_path):
    for split in ("train", "test"):
        for number in range(8):
            draw(tmp_path / f"{split}/good/{number}.png")
            draw(tmp_path / f"{split}/bad/{number}.png")
            draw_mask(tmp_path / f"ground_truth/{split}/bad/{number}.png", BOX)
    data = ClassFolders(tmp_path, "test")
    assert (data.classes, len(data), data[0].boxes.tolist()) == (("bad",), 16, [[0, *BOX]])
    assert [len(ClassFolders(tmp_path, split)) for split in ("train", "val")] == [14, 2]
