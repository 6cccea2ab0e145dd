from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from PIL import Image

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.chexlocalize import CLASSES, CheXlocalize
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError, UnknownNameError

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices\n"
)
LABELS = HEADER + (
    "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,"
    "0.0,0.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
    "CheXpert-v1.0/valid/patient64542/study1/view2_lateral.jpg,Male,70,Lateral,,"
    "1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
)
EMPTY = {"size": [4, 6], "counts": "h0"}  # 24 absent
ONE = "patient64541_study1_view1_frontal"
MASKS = {
    ONE: {
        **{name: EMPTY for name in CLASSES if name != "Lung Opacity"},
        "Airspace Opacity": {"size": [4, 6], "counts": [4, 8, 12]},
        "Cardiomegaly": {"size": [4, 6], "counts": [0, 2, 22]},
    }
}

MASK_FILE, TABLE = "gt_segmentations_val.json", "CheXpert-v1.0/valid.csv"


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / MASK_FILE).write_text(json.dumps(MASKS), encoding="utf-8")
    for line in LABELS.splitlines()[1:]:
        path = tmp_path / line.split(",")[0]
        path.parent.mkdir(parents=True)
        Image.linear_gradient("L").resize((6, 4)).save(path)
    (tmp_path / TABLE).write_text(LABELS, encoding="utf-8")
    return tmp_path


def test_labels_and_masks(root):
    data = CheXlocalize(root, "val")
    assert data.patients == ["patient64541", "patient64542"]
    assert data.targets().nonzero().tolist() == [[0, 1], [0, 3]]
    masks = data[0].masks
    assert (masks.shape, masks.dtype) == ((10, 4, 6), torch.bool)
    assert masks.sum(dim=(1, 2)).tolist() == [0, 2, 0, 8, 0, 0, 0, 0, 0, 0]
    assert masks[1].nonzero().tolist() == [[0, 0], [1, 0]]
    assert masks[3].any(dim=0).tolist() == [False, True, True, False, False, False]
    assert (data[1].masks.shape, bool(data[1].masks.any())) == ((10, 4, 6), False)
    assert open_dataset(f"chexlocalize:{root}", "val", masks=False)[0].masks is None
    with pytest.raises(UnknownNameError, match="Unknown split 'train'"):
        CheXlocalize(root, "train")
    with pytest.raises(UnknownNameError, match="has no masks of the split 'test': it has val"):
        CheXlocalize(root, "test")
    assert check_dataset(f"chexlocalize:{root}").problems == []


def test_masks_follow_a_resized_copy(root):
    path = CheXlocalize(root, "val")[0].path
    Image.new("L", (12, 8)).save(path)
    assert CheXlocalize(root, "val")[0].masks.sum(dim=(1, 2))[3] == 32
    Image.new("L", (4, 6)).save(path)
    with pytest.raises(DataError, match=r"is 4 wide and 6 high, but .*gt_segmentations_val.json' image .*on its side"):
        CheXlocalize(root, "val")[0]


def test_the_layout_of_the_later_release(root):
    (root / "CheXlocalize").mkdir()
    (root / MASK_FILE).rename(root / "CheXlocalize" / MASK_FILE)
    (root / "CheXpert").mkdir()
    (root / "CheXpert-v1.0/valid").rename(root / "CheXpert/val")
    (root / TABLE).rename(root / "CheXpert/val_labels.csv")
    assert len(CheXlocalize(root, "val")) == 2
    (root / "CheXpert/val").rename(root / "CheXpert/test")
    table = LABELS.replace("CheXpert-v1.0/valid", "test")
    (root / "CheXpert/test_labels.csv").write_text(table, encoding="utf-8")
    (root / "CheXlocalize/gt_segmentations_test.json").write_text(json.dumps(MASKS), encoding="utf-8")
    assert CheXlocalize(root, "test")[0].masks.any()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Lung Lesion", "Lesion", "lacks the column 'Lung Lesion'"),
        ("AP,0.0,0.0,1.0", "AP,0.0,0.0,-1.0", "row 2 has '-1.0' in the column 'Cardiomegaly'"),
        ("AP,0.0,0.0,1.0", "AP,0.0,0.0,", "row 2 has '' in the column 'Cardiomegaly'"),
        ("study1/view1_frontal.jpg", "", "row 2 has the Path"),
        ("patient64542/study1/view2_lateral", "patient64541/study1/view1_frontal", "row 3 repeats image"),
        ("patient64542", "patient64549", r"1 of the 2 images of split 'val' are not on disk.*'patient64549_study1"),
        ("patient64541", "patient64549", f"image '{ONE}' is an image that '.*valid.csv' does not list"),
        (LABELS, "", "is empty"),
    ],
)
def test_a_malformed_table_is_named_with_its_row(root, old, new, message):
    assert old in LABELS
    (root / TABLE).write_text(LABELS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        CheXlocalize(root, "val")
    assert "valid.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Edema": 7}, f"image '{ONE}' mask of 'Edema' is no object"),
        ({"Edema": {"size": [4], "counts": "h0"}}, "mask of 'Edema' has the size"),
        ({"Edema": {"size": [6, 4], "counts": "h0"}}, "has masks of the sizes"),
        ({"Oedema": EMPTY}, "has a mask of 'Oedema'.* Did you mean 'Edema'"),
        ({"Lung Opacity": EMPTY}, "has two masks of 'Lung Opacity'"),
    ],
)
def test_a_malformed_mask_is_named(root, change, message):
    masks = deepcopy(MASKS)
    masks[ONE].update(change)
    (root / MASK_FILE).write_text(json.dumps(masks), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        CheXlocalize(root, "val")
    assert MASK_FILE in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", '{"patient64541_study1_view1_frontal": []}', "{", '{"a": {}}'])
def test_files_of_another_kind(root, content):
    (root / MASK_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=MASK_FILE):
        CheXlocalize(root, "val")


def test_missing_files_and_runs_that_do_not_fill_the_mask(root):
    masks = deepcopy(MASKS)
    masks[ONE]["Edema"] = {"size": [4, 6], "counts": [25]}
    (root / MASK_FILE).write_text(json.dumps(masks), encoding="utf-8")
    with pytest.raises(DataError, match="mask of 'Edema' has runs over 25 pixels"):
        CheXlocalize(root, "val")[0]
    assert any("runs over 25" in problem for problem in check_dataset(f"chexlocalize:{root}").problems)
    (root / TABLE).unlink()
    with pytest.raises(DataError, match=r"has no val_labels.csv or valid.csv"):
        CheXlocalize(root, "val")
    (root / MASK_FILE).unlink()
    with pytest.raises(DataError, match=r"has no gt_segmentations_val.json"):
        CheXlocalize(root, "val")


def test_a_check_counts_masks_and_finds_those_that_should_not_be(root):
    masks = deepcopy(MASKS)
    masks[ONE]["Edema"] = {"size": [4, 6], "counts": [20, 4]}
    (root / MASK_FILE).write_text(json.dumps(masks), encoding="utf-8")
    (root / "gt_segmentations_test.json").write_text("{}", encoding="utf-8")
    (root / "CheXpert-v1.0/test.csv").write_text(HEADER, encoding="utf-8")
    report = check_dataset(f"chexlocalize:{root}")
    assert report.splits[0].masks == [0, 1, 0, 1, 1, 0, 0, 0, 0, 0]
    assert ["mask of 'Edema', which its labels say is absent" in problem for problem in report.problems] == [True]
