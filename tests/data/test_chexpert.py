from __future__ import annotations

from pathlib import Path

import pytest
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.chexpert import CheXpert
from pylon_zoo.data.chexpert_labels import CLASSES
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError, UnknownNameError

HEADER = f"Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,{','.join(CLASSES)}"
NOTHING = "," * 12
ROWS = {
    "train": [
        ("patient00001/study1/view1_frontal.jpg", "Frontal,AP,,1.0,-1.0,0.0" + "," * 10),
        ("patient00001/study2/view1_lateral.jpg", "Lateral,,1.0" + "," * 13),
        ("patient00002/study1/view1_frontal.jpg", "Frontal,PA,1.0" + "," * 13),
    ],
    "valid": [("patient64541/study1/view1_frontal.jpg", "Frontal,AP,0.0" + ",0.0" * 12 + ",1.0")],
}


@pytest.fixture
def root(tmp_path) -> Path:
    base = tmp_path / "CheXpert-v1.0-small"
    for folder, rows in ROWS.items():
        lines = [f"CheXpert-v1.0-small/{folder}/{path},Male,60,{rest}" for path, rest in rows]
        for path, _ in rows:
            draw(base / folder / path)
        (base / f"{folder}.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    return tmp_path


def test_the_release(root):
    data = CheXpert(root, "train")
    assert (data.patients, data.channels) == (["patient00001", "patient00002"], 1)
    enlarged, heart, opacity = data.targets()[0, :3].tolist()
    assert (enlarged, heart != heart, opacity) == (1, True, 0)
    assert data.targets()[1].tolist() == [0] * 13
    assert CheXpert(root / "CheXpert-v1.0-small", "val").targets()[0].tolist() == [0] * 12 + [1]
    report = check_dataset(f"chexpert:{root}")
    assert (report.problems, [split.split for split in report.splits]) == ([], ["train", "val"])


def test_options(root):
    data = open_dataset(f"chexpert:{root}", "train", uncertain="ones", blank="ignore", views="all")
    assert (len(data), data.targets()[0, 1].item()) == (3, 1)
    assert data.targets()[2].isnan().all()
    assert open_dataset(f"chexpert:{root}", "train", views="lateral").patients == ["patient00001"]
    for options, message in (
        ({"uncertain": "one"}, "'ones'"),
        ({"blank": "no"}, "blank='no'"),
        ({"views": "pa"}, "'pa'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            CheXpert(root, "train", **options)
    with pytest.raises(UnknownNameError, match="has no table of the split 'test': it has train, val"):
        CheXpert(root, "test")
    with pytest.raises(DataError, match=r"has none of train\.csv, valid\.csv, test\.csv"):
        CheXpert(root / "CheXpert-v1.0-small/train", "train")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("AP,,1.0,-1.0", "AP,,1.0,-2.0", r"train.csv' row 2 has '-2.0' in the column 'Cardiomegaly'"),
        (
            "train/patient00001/study1/view1",
            "patient00001/study1/view1",
            r"train.csv' row 2 has the Path '.*patient",
        ),
        ("patient00001/study2/view1_lateral", "patient00001/study1/view1_frontal", r"train.csv' row 3 repeats image"),
        (
            "patient00002/study1",
            "patient00009/study1",
            r"1 of the 2 .*train.csv' lists .*patient00009",
        ),
        (",Pneumonia", ",Pneumania", r"train.csv' lacks the column 'Pneumonia'.*Did you mean 'Pneumania'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, old, new, message):
    path = root / "CheXpert-v1.0-small/train.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        CheXpert(root, "train")
    assert "\n" not in str(caught.value)
    assert len(check_dataset(f"chexpert:{root}").problems) == 1


def test_a_patient_in_two_splits(root):
    base = root / "CheXpert-v1.0-small"
    draw(base / "valid/patient00002/study1/view1_frontal.jpg")
    path = base / "valid.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("patient64541", "patient00002"), encoding="utf-8")
    (problem,) = check_dataset(f"chexpert:{root}").problems
    assert "Patient 'patient00002' is in both 'train' and 'val'" in problem
