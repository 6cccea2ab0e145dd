from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.padchest import PadChest
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError, UnknownNameError

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
KINDS = [  # projection, method, labels
    ("PA", "Physician", "['nodule', ' pleural effusion']"),
    ("AP", "RNN_model", "['normal']"),
    ("L", "RNN_model", "['nodule']"),
    ("PA", "RNN_model", "['exclude']"),
    ("PA", "RNN_model", ""),
    ("AP_horizontal", "Physician", "['pleural effusion', '']"),
]


@pytest.fixture
def root(tmp_path) -> Path:
    rows = [",ImageID,ImageDir,StudyID,PatientID,Projection,MethodLabel,Labels"]
    for number in range(60):
        projection, method, labels = KINDS[number % 6]
        rows.append(f'{number},{number}.png,{number % 3},s,p{number // 6},{projection},{method},"{labels}"')
        draw(tmp_path / (str(number % 3) if number % 2 else "images") / f"{number}.png")
    (tmp_path / TABLE).write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def opened(root: Path, **options) -> dict[str, PadChest]:
    return {split: open_dataset(f"padchest:{root}", split, **options) for split in ("train", "val", "test")}


def test_the_release(root):
    data = opened(root, least=5)
    assert data["train"].classes == ("nodule", "pleural effusion")
    assert sum(map(len, data.values())) == 30  # PA, AP and AP_horizontal with labels that are not "exclude"
    assert not set(data["train"].patients) & set(data["test"].patients)
    assert data["train"].targets()[:3].tolist() == [[1, 1], [0, 0], [0, 1]]
    assert data["train"][0].image.shape == (1, 12, 16)
    report = check_dataset(f"padchest:{root}", {"least": 5})
    assert report.problems == []


def test_options(root):
    (root / f"{TABLE}.gz").write_bytes(gzip.compress((root / TABLE).read_bytes()))
    (root / TABLE).unlink()
    assert sum(map(len, opened(root, classes="nodule", manual=True).values())) == 20
    assert sum(map(len, opened(root, classes=["nodule"], projections="L").values())) == 10
    with pytest.raises(UnknownNameError, match=r"has no finding 'nodul'\. Did you mean 'nodule'"):
        PadChest(root, "train", classes="nodul")
    with pytest.raises(DataError, match="has no finding in 100 rows"):
        PadChest(root, "train")
    with pytest.raises(DataError, match="has no rows of the projections XX"):
        PadChest(root, "train", projections="XX", least=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\"['normal']\"", "normal", f"{TABLE}' row 3 has 'normal' as its Labels"),
        ("\"['normal']\"", '"[1]"', rf"{TABLE}' row 3 has '\[1\]' as its Labels"),
        ("1,1.png", "1,0.png", f"{TABLE}' row 3 repeats image '0.png'"),
        ("0,0.png", "0,", f"{TABLE}' row 2 has no ImageID"),
        (",p0,", ",,", f"{TABLE}' row 2 has no PatientID"),
        ("0,0.png", "0,x.png", f"1 of the .*{TABLE}' lists them.*'x.png'"),
        ("PatientID", "Patient", f"{TABLE}' lacks the column 'PatientID'"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, old, new, message):
    text = (root / TABLE).read_text(encoding="utf-8")
    assert old in text
    (root / TABLE).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert len(check_dataset(f"padchest:{root}", {"least": 5}).problems) == 1
    with pytest.raises(DataError, match=message) as caught:
        opened(root, least=5)
    assert "\n" not in str(caught.value)


def test_no_table(tmp_path):
    with pytest.raises(DataError, match=r"has no PADCHEST_\*\.csv or"):
        PadChest(tmp_path, "train")
