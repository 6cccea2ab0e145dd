from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.rsna_pneumonia import RsnaPneumonia
from pylon_zoo.errors import DataError

TABLE = "stage_2_train_labels.csv"
PRESENT = [f"{number:04}-0000" for number in range(10)]
ABSENT = [f"{number:04}-1111" for number in range(20)]


@pytest.fixture
def root(tmp_path) -> Path:
    rows = ["patientId,x,y,width,height,Target"]
    rows += [f"{image},,,,,0" for image in ABSENT]
    for image in PRESENT:
        rows += [f"{image},256.0,128.0,512.0,64.0,1", f"{image},0.0,0.0,1024.0,1024.0,1"]
    (tmp_path / TABLE).write_text("\n".join(rows), encoding="utf-8")
    for image in PRESENT + ABSENT:
        draw(tmp_path / "stage_2_train_images" / f"{image}.png", (32, 32))
    return tmp_path


def test_the_release(root):
    data = {split: open_dataset(f"rsna-pneumonia:{root}", split) for split in ("train", "val", "test")}
    assert [len(one) for one in data.values()] == [21, 3, 6]
    assert [one.targets().sum().item() for one in data.values()] == [7, 1, 2]
    boxed = next(sample for sample in data["test"] if sample.target[0])
    assert boxed.boxes.tolist() == [[0, 8, 4, 24, 6], [0, 0, 0, 32, 32]]  # of 1024 pixels, on disk 32
    assert all(len(sample.boxes) == 0 for sample in data["val"] if not sample.target[0])
    assert check_dataset(f"rsna-pneumonia:{root}").problems == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0000-1111,,,,,0", "0000-1111,,,,,2", f"{TABLE}' row 2 has the patientId '0000-1111' and the Target '2'"),
        ("0000-1111,,,,,0", "0000-1111,1,2,3,4,0", f"{TABLE}' row 2 has Target 0 and a box"),
        ("0000-1111,,,,,0", "0001-1111,,,,,0", f"{TABLE}' row 3 contradicts or repeats row 2 of '0001-1111'"),
        ("256.0,128.0,512.0", "256.0,128.0,812.0", f"{TABLE}' row 22 has a box .*inside the image, 1024 wide"),
        ("256.0,128.0,512.0", "256.0,128.0,wide", f"{TABLE}' row 22 has a box .*wide"),
        ("0000-1111,,,,,0", "9999-1111,,,,,0", f"1 of the .*{TABLE}' lists them; looked in stage_2_train_images.*9999"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, old, new, message):
    text = (root / TABLE).read_text(encoding="utf-8")
    assert old in text
    (root / TABLE).write_text(text.replace(old, new, 1), encoding="utf-8")
    problems = check_dataset(f"rsna-pneumonia:{root}").problems
    assert len(problems) == 1
    with pytest.raises(DataError, match=message) as caught:
        [RsnaPneumonia(root, split) for split in ("train", "val", "test")]
    assert "\n" not in str(caught.value)


def test_an_image_on_its_side(root):
    for image in PRESENT:
        draw(root / "stage_2_train_images" / f"{image}.png", (32, 16))
    assert RsnaPneumonia(root, "train")[0].image.shape[-1] in (16, 32)  # squares have no side to lie on
    (root / TABLE).unlink()
    with pytest.raises(DataError, match=f"{TABLE}' does not exist"):
        RsnaPneumonia(root, "train")
