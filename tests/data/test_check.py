from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.errors import ConfigError, UnknownNameError

LABELS = """\
image,patient,split,Mass,Edema
1.png,p1,train,1,0
2.png,p2,train,1,
3.png,p3,val,0,1
4.png,p4,test,1,1
"""
BOXES = "image,label,x0,y0,x1,y1\n1.png,Mass,0,0,4,2\n4.png,Mass,1,1,3,3\n4.png,Edema,0,0,8,8\n"


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "labels.csv").write_text(LABELS, encoding="utf-8")
    (tmp_path / "boxes.csv").write_text(BOXES, encoding="utf-8")
    for number in range(1, 5):
        image = Image.new("L", (8, 8) if number > 1 else (8, 4))
        image.putpixel((1, 1), 200 + number)
        image.save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_counts(root, workers):
    report = check_dataset(f"csv:{root}", workers=workers)
    assert report.problems == []
    assert report.classes == ("Mass", "Edema")
    train, val, test = report.splits
    assert (train.images, train.patients, dict(train.sizes)) == (2, 2, {(8, 4): 1, (8, 8): 1})
    assert (train.present, train.absent, train.unknown) == ([2, 0], [0, 1], [0, 1])
    assert train.boxes.tolist() == [[0, 4, 2, 0.25]]
    assert test.boxes[:, 3].tolist() == [0.0625, 1]
    assert (val.split, val.boxes.shape, val.masks) == ("val", (0, 4), [0, 0])


def test_all_problems_of_tables_and_images_at_once(root):
    (root / "labels.csv").write_text(
        LABELS.replace("p3,val,0", "p3,val,no").replace("p2,train,1", "p2,train,one"), encoding="utf-8"
    )
    (root / "boxes.csv").write_text(BOXES.replace("0,0,4,2", "0,0,4,9").replace("1,1,3,3", "3,1,3,3"), encoding="utf-8")
    (root / "4.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    report = check_dataset(f"csv:{root}")
    assert [problem.split("'")[1].rpartition("/")[2] for problem in report.problems] == [
        "labels.csv",
        "labels.csv",
        "boxes.csv",
        "boxes.csv",
        "4.png",
    ]
    rows = ("row 3", "row 4", "row 3", "row 2")
    assert all(row in problem for row, problem in zip(rows, report.problems, strict=False))
    assert [split.images for split in report.splits] == [1, 0, 1]


def test_pictures_of_one_value_are_remarks(root):
    for number in (3, 4):  # alike, in two splits, and yet no copies of each other
        Image.new("L", (8, 8), 7).save(root / f"{number}.png")
    report = check_dataset(f"csv:{root}")
    assert report.problems == []
    assert ["has one value everywhere" in remark for remark in report.remarks] == [True, True]
    assert "3.png'" in report.remarks[0]


def test_copies_are_found_by_content(root):
    Image.open(root / "2.png").save(root / "4.png", compress_level=0)
    assert (root / "2.png").read_bytes() != (root / "4.png").read_bytes()
    report = check_dataset(f"csv:{root}")
    assert report.problems == [
        f"'{root}/4.png' of 'test' has the pixels of '{root}/2.png' of 'train': keep an image in one split only."
    ]
    assert report.remarks == []
    (root / "1.png").write_bytes((root / "2.png").read_bytes())
    report = check_dataset(f"csv:{root}")
    assert [remark.rpartition(" of '")[2] for remark in report.remarks] == [
        f"{root / '1.png'}'; remove one of them if they are one image."
    ]
    assert len(report.problems) == 1


def test_a_leak(root):
    (root / "labels.csv").write_text(LABELS.replace("p2", "p4"), encoding="utf-8")
    report = check_dataset(f"csv:{root}")
    assert report.splits == []
    assert "leaks. Patient 'p4' is in both 'train' and 'test'" in report.problems[0]


def test_splits_that_a_release_does_not_have_are_no_problem(tmp_path):
    for folder in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ImageSets/Main/val.txt").write_text("1\n", encoding="utf-8")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>8</ymax></bndbox>"
    (tmp_path / "Annotations/1.xml").write_text(
        f"<annotation><size><width>8</width><height>8</height></size><object><name>dog</name>{box}</object></annotation>",
        encoding="utf-8",
    )
    Image.linear_gradient("L").resize((8, 8)).save(tmp_path / "JPEGImages/1.jpg")
    report = check_dataset(f"voc:{tmp_path}")
    assert ([split.split for split in report.splits], report.problems) == (["val"], [])
    assert torch.equal(report.splits[0].boxes, torch.tensor([[11, 4, 8, 0.5]]))
    (tmp_path / "ImageSets/Main/val.txt").unlink()
    with pytest.raises(ConfigError, match="has none of the splits"):
        check_dataset(f"voc:{tmp_path}")


def test_names_that_are_none():
    with pytest.raises(UnknownNameError):
        check_dataset("nih")
    with pytest.raises(ConfigError):
        check_dataset("csv")
    assert "does not exist" in check_dataset("csv:/no/such").problems[0]
