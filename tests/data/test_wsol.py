from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw, draw_mask

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.wsol import CubBirds, OpenImages30k
from pylon_zoo.errors import DataError, UnknownNameError

BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
CODES = ("01226z", "014sv8")


@pytest.fixture
def cub(tmp_path) -> Path:
    for split in ("train", "val", "test"):
        folder = tmp_path / "metadata/CUB" / split
        folder.mkdir(parents=True)
        images = {f"{bird}/{split}_{number}.jpg": index for index, bird in enumerate(BIRDS) for number in (0, 1)}
        (folder / "image_ids.txt").write_text("".join(f"{image}\n" for image in images), encoding="utf-8")
        (folder / "class_labels.txt").write_text(
            "".join(f"{image},{index}\n" for image, index in images.items()), encoding="utf-8"
        )
        (folder / "image_sizes.txt").write_text("".join(f"{image},32,24\n" for image in images), encoding="utf-8")
        (folder / "localization.txt").write_text("".join(f"{image},8,4,24,14\n" for image in images), encoding="utf-8")
        for image in images:
            draw(tmp_path / "dataset/CUB" / image)
    return tmp_path


@pytest.fixture
def open_images(tmp_path) -> Path:
    for split in ("train", "val", "test"):
        folder = tmp_path / "metadata/OpenImages" / split
        folder.mkdir(parents=True)
        images = {f"{split}/{code}/{number}{code}": index for index, code in enumerate(CODES) for number in (0, 1)}
        (folder / "image_ids.txt").write_text("".join(f"{image}.jpg\n" for image in images), encoding="utf-8")
        (folder / "class_labels.txt").write_text(
            "".join(f"{image}.jpg,{index}\n" for image, index in images.items()), encoding="utf-8"
        )
        (folder / "image_sizes.txt").write_text("", encoding="utf-8")
        lines = (
            []
            if split == "train"
            else [
                line
                for image in images
                for line in (f"{image}.jpg,{image}_a.png,{image}_ignore.png", f"{image}.jpg,{image}_b.png,")
            ]
        )
        (folder / "localization.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for image in images:
            draw(tmp_path / "OpenImages" / f"{image}.jpg")
            draw_mask(tmp_path / "OpenImages" / f"{image}_a.png", (2, 2, 4, 4))
            draw_mask(tmp_path / "OpenImages" / f"{image}_b.png", (8, 2, 12, 4))
    return tmp_path


def test_cub(cub):
    data = open_dataset(f"cub:{cub}", "val")
    assert (data.classes, len(data), data.channels) == (BIRDS, 4, 3)
    assert data[2].boxes.tolist() == [[1, 4, 2, 12, 7]]  # measured in 32×24, on disk 16×12
    assert data.targets().tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    report = check_dataset(f"cub:{cub}")
    assert (report.problems, [split.images for split in report.splits]) == ([], [4, 4, 4])


def test_open_images(open_images):
    data = open_dataset(f"openimages30k:{open_images}", "test")
    assert data.classes == CODES
    assert data[3].boxes.tolist() == [[1, 2, 2, 4, 4], [1, 8, 2, 12, 4]]
    assert data[3].masks.sum(dim=(1, 2)).tolist() == [0, 12]
    assert open_dataset(f"openimages30k:{open_images}", "test", masks=False)[3].masks is None
    assert (OpenImages30k(open_images, "train")[0].masks, len(OpenImages30k(open_images, "train"))) == (None, 4)
    assert check_dataset(f"openimages30k:{open_images}").problems == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "localization.txt",
            "8,4,24,14",
            "8,4,44,14",
            r"localization.txt' row 1 has a box .*inside the image, 32 wide",
        ),
        ("localization.txt", "8,4,24,14", "8,4,24", r"localization.txt' row 1 has a box"),
        ("class_labels.txt", ".jpg,0", ".jpg,albatross", r"class_labels.txt' row 1 is not path,class"),
        ("class_labels.txt", ".jpg,0", ".jpg,99999999999", r"class_labels.txt' row 1 says class 99999999999, but"),
        ("image_sizes.txt", ".jpg,32,24", ".jpg,0,24", r"image_sizes.txt' row 1 is not path,width,height"),
        ("image_ids.txt", "val_0", "val_7", r"class_labels.txt' has no class of '001.*val_7.jpg'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(cub, file, old, new, message):
    path = cub / "metadata/CUB/val" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        CubBirds(cub, "val")
    assert "\n" not in str(caught.value)
    assert check_dataset(f"cub:{cub}").problems


def test_missing_files(cub, open_images):
    (cub / "dataset/CUB" / BIRDS[0] / "val_0.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of the 4 images of split 'val' .*image_ids.txt' lists them.*val_0.jpg"):
        CubBirds(cub, "val")
    (open_images / "OpenImages/val" / CODES[0] / f"0{CODES[0]}_a.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 4 images of split 'val' .*localization.txt' lists them.*_a.png"):
        OpenImages30k(open_images, "val")
    with pytest.raises(DataError, match=r"metadata/CUB' does not exist or has no train, val or test"):
        CubBirds(cub / "dataset", "val")
    (cub / "metadata/CUB/test").rename(cub / "metadata/CUB/old")
    with pytest.raises(UnknownNameError, match="has no split 'test': it has train, val"):
        CubBirds(cub, "test")


def test_an_image_on_its_side(cub):
    draw(cub / "dataset/CUB" / BIRDS[0] / "val_0.jpg", (12, 16))
    with pytest.raises(
        DataError, match=r"val_0.jpg' is 12 wide and 16 high, but .*localization.txt' row 1 measures it"
    ):
        CubBirds(cub, "val")[0]
