from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from pylon_zoo.data.csv_table import CsvDataset
from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

COLUMNS = """\
image,patient,split,Mass,Edema
a/1.png,p1,train,1,0
a/2.png,p1,train,-1,
b/3.jpg,p2,Valid,0.0,1.0
4.png,p3,test,1,1
"""
JOINED = """\
image,labels
a/1.png,Mass|Edema
a/2.png,No Finding
b/3.jpg,
4.png,Mass
"""
BOXES = """\
image,label,x0,y0,x1,y1
4.png,Mass,0,2,10,7.5
4.png,Edema,1,2,3,4
a/1.png,Mass,1,1,2,2
"""


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "labels.csv").write_text(COLUMNS, encoding="utf-8")
    (tmp_path / "boxes.csv").write_text(BOXES, encoding="utf-8")
    for line in COLUMNS.splitlines()[1:]:
        path = tmp_path / line.split(",")[0]
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (10, 8), (9, 9, 9)).save(path)
    return tmp_path


def test_label_columns(root):
    data = CsvDataset(root, "train")
    assert data.classes == ("Mass", "Edema")
    assert torch.equal(data.targets().isnan(), torch.tensor([[False, False], [True, True]]))
    assert data.targets()[0].tolist() == [1, 0]
    assert data.patients == ["p1", "p1"]
    test = open_dataset(f"csv:{root}", "test")[0]
    assert test.boxes.tolist() == [[0, 0, 2, 10, 7.5], [1, 1, 2, 3, 4]]
    assert (test.image.shape, test.patient) == ((3, 8, 10), "p3")
    assert len(CsvDataset(root, "val")) == 1


@pytest.mark.parametrize(("policy", "value"), [("ones", 1), ("zeros", 0)])
def test_uncertain_labels(root, policy, value):
    target = CsvDataset(root, "train", uncertain=policy).targets()[1]
    assert target[0] == value
    assert target[1].isnan()  # empty is unknown whatever the policy


def test_chosen_classes_and_channels(root):
    assert CsvDataset(root, "test", classes=["Edema"])[0].boxes.tolist() == [[0, 1, 2, 3, 4]]
    data = CsvDataset(root, "val", classes=["Edema"], channels=1)
    assert data.targets().tolist() == [[1]]
    assert data[0].image.shape == (1, 8, 10)


def test_joined_labels_and_a_split_by_hash(root):
    (root / "labels.csv").write_text(JOINED, encoding="utf-8")
    (root / "boxes.csv").write_text(BOXES.replace("4.png,Edema,1,2,3,4\n", ""), encoding="utf-8")
    splits = [CsvDataset(root, split) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == 4
    targets = {sample.patient: sample.target.tolist() for data in splits for sample in data}
    assert targets == {"a/1.png": [1, 1], "a/2.png": [0, 0], "b/3.jpg": [0, 0], "4.png": [0, 1]}
    assert splits[0].classes == ("Edema", "Mass")


def test_no_boxes(root):
    (root / "boxes.csv").unlink()
    assert CsvDataset(root, "test")[0].boxes.shape == (0, 5)


TABLE, BOX = "labels.csv", "boxes.csv"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (TABLE, "image,", "images,", "lacks the column 'image'.*Did you mean 'images'"),
        (TABLE, "Edema", "Mass", "row 1 has the column 'Mass' twice"),
        (TABLE, "p1,train,1,0", "p1,train,yes,0", "row 2 has 'yes' in the column 'Mass'"),
        (TABLE, "p1,train,1,0", "p1,train,nan,0", "row 2 has 'nan' in the column 'Mass'"),
        (TABLE, "p1,train,1,0", "p1,train,1", "row 2 has 4 fields where at least 5"),
        (TABLE, "p1,train,1,0", ",train,1,0", "row 2 has no 'patient'"),
        (TABLE, "p1,train,1,0", "p1,trian,1,0", "row 2 has the split 'trian'"),
        (TABLE, "p1,train,1,0", "p1,,1,0", "row 2 has the split ''"),
        (TABLE, "a/1.png", "", "row 2 has no 'image'"),
        (TABLE, "a/2.png", "a/1.png", "row 3 repeats image 'a/1.png' of row 2"),
        (TABLE, "p2,Valid", "p1,Valid", "labels.csv' leaks. Patient 'p1' is in both 'train' and 'val'"),
        (TABLE, "a/1.png", "a/9.png", "1 of the 2 images of split 'train' are not on disk.*'a/9.png'"),
        (TABLE, ",Mass,Edema", "", "has no labels"),
        (TABLE, COLUMNS[COLUMNS.index("a/1") :], "", "has a header and no rows"),
        (TABLE, COLUMNS, "", "is empty"),
        (BOX, "x1", "right", "lacks the column 'x1'"),
        (BOX, "4.png,Mass", "5.png,Mass", "row 2 has a box on '5.png', an image that"),
        (BOX, "4.png,Mass", "4.png,Moss", "row 2 has the label 'Moss'.*Did you mean 'Mass'"),
        (BOX, "4.png,Edema", "a/1.png,Edema", "row 3 has a box of 'Edema', which .*row 2 says is absent"),
        (BOX, "0,2,10,7.5", "0,2,0,7.5", "row 2 has a box"),
        (BOX, "0,2,10,7.5", "0,2,inf,7.5", "row 2 has a box"),
        (BOX, "0,2,10,7.5", "-9,2,10,7.5", "row 2 has a box"),
        (BOX, "0,2,10,7.5", "a,2,10,7.5", "row 2 has a box"),
        (BOX, "4.png,Edema,1,2,3,4", "4.png,Mass,0,2,10,7.5", "row 3 repeats a box"),
    ],
)
def test_a_malformed_table_is_named_with_its_row(root, file, old, new, message):
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    if file == TABLE and "lacks" not in message:
        (root / BOX).unlink()
    with pytest.raises(DataError, match=message) as caught:
        CsvDataset(root, "train")
    assert file in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Mass|Edema", "Mass|Mass", "row 2 has 'Mass' twice"),
        ("Mass|Edema", "Mass|", "row 2 has '' beside others"),
        ("Mass|Edema", "Mass|No Finding", "row 2 has 'No Finding' beside others"),
        ("Mass|Edema", "Mass|Moss", "row 2 has the label 'Moss'.*Did you mean 'Mass'"),
    ],
)
def test_malformed_joined_labels(root, old, new, message):
    (root / "labels.csv").write_text(JOINED.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        CsvDataset(root, "train", classes=["Mass", "Edema"])


def test_nothing_anywhere(root):
    (root / "labels.csv").write_text("image,labels\n4.png,\n", encoding="utf-8")
    with pytest.raises(DataError, match="names no label"):
        CsvDataset(root, "train")


def test_a_box_beyond_the_image_is_found_when_it_is_read(root):
    (root / "boxes.csv").write_text(BOXES.replace("0,2,10,", "0,2,12,"), encoding="utf-8")
    with pytest.raises(DataError, match=r"boxes.csv' row 2, 3 on image '.*4.png' has a box .* 10 wide and 8 high"):
        CsvDataset(root, "test")[0]


def test_not_utf8_and_missing(root):
    (root / "labels.csv").write_bytes(COLUMNS.encode("utf-16"))
    with pytest.raises(DataError, match=r"labels\.csv' is not UTF-8"):
        CsvDataset(root, "train")
    (root / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"labels\.csv' does not exist"):
        CsvDataset(root, "train")


def test_options(root):
    with pytest.raises(UnknownNameError, match="Did you mean 'ones'"):
        CsvDataset(root, "train", uncertain="one")
    with pytest.raises(ConfigError, match="channels=4"):
        CsvDataset(root, "train", channels=4)


def test_a_check_goes_on_after_a_malformed_row(root):
    (root / "labels.csv").write_text(COLUMNS.replace("1,0\n", "x,0\n").replace("4.png", "b/3.jpg"), encoding="utf-8")
    with collect_problems() as problems:
        assert len(CsvDataset(root, "train")) == 1
    assert [problem.split("row ")[1].split()[0] for problem in problems] == ["2", "5", "2", "3", "4"]
