from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.data.nih import CLASSES, NihChestXray14
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, DataError, ImageError, UnknownNameError

ENTRIES = """\
Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],
00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA,2682,2749,0.143,0.143,
00000001_001.png,No Finding,1,1,58,M,PA,2682,2749,0.143,0.143,
00000002_000.png,Infiltration,0,2,81,M,PA,2500,2048,0.171,0.171,
00000003_000.png,Hernia|Mass|Pleural_Thickening,0,3,70,F,AP,2500,2048,0.171,0.171,
00000004_000.png,No Finding,0,4,70,F,AP,2500,2048,0.171,0.171,
"""
BOXES = """\
Image Index,Finding Label,Bbox [x,y,w,h],,,
00000003_000.png,Mass,256,512,128,64,,,
00000003_000.png,Infiltrate,100.5,-0.25,200,1024.5,,,
"""
TRAIN_VAL = "00000001_000.png\n00000001_001.png\n00000002_000.png\n"
TEST = "00000004_000.png\n00000003_000.png"


@pytest.fixture
def release(tmp_path) -> Path:
    """A release of five images, one of them four times as wide as high."""
    (tmp_path / "Data_Entry_2017.csv").write_text(ENTRIES, encoding="utf-8")
    (tmp_path / "BBox_List_2017.csv").write_text(BOXES, encoding="utf-8")
    (tmp_path / "train_val_list.txt").write_text(TRAIN_VAL, encoding="utf-8")
    (tmp_path / "test_list.txt").write_text(TEST, encoding="utf-8")
    (tmp_path / "images").mkdir()
    for number, name in enumerate(ENTRIES.splitlines()[1:]):
        size = (64, 16) if name.startswith("00000003") else (8, 8)
        Image.new("L", size, 10 * number).save(tmp_path / "images" / name.split(",")[0])
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_test_split_is_the_official_list_in_its_order(release):
    data = NihChestXray14(release, "test")
    assert [Path(sample.path).name for sample in data] == ["00000004_000.png", "00000003_000.png"]
    assert data.patients == ["4", "3"]
    assert [sample.patient for sample in data] == data.patients
    assert [sample.image[0, 0, 0].item() for sample in data] == [40, 30]
    assert repr(data) == "NihChestXray14('test', 2 images, 14 classes)"


def test_labels_are_in_the_usual_order(release):
    data = NihChestXray14(release, "test")
    assert data.classes[:4] == ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration")
    assert data.targets().dtype == torch.float32
    assert data.targets()[0].sum() == 0
    assert [CLASSES[index] for index in data.targets()[1].nonzero().flatten()] == [
        "Mass",
        "Pleural_Thickening",
        "Hernia",
    ]
    assert torch.equal(torch.stack([sample.target for sample in data]), data.targets())


def test_boxes_come_from_1024_pixels_to_those_on_disk(release):
    without, with_boxes = NihChestXray14(release, "test")
    assert without.boxes.shape == (0, 5)
    # 64 wide, 16 high: x by 1/16, y by 1/64; the second spells Infiltration its own way and is clipped to the picture
    expected = [[4, 16, 8, 24, 9], [3, 6.28125, 0, 18.78125, 16]]
    assert with_boxes.image.shape == (1, 16, 64)
    assert with_boxes.boxes.tolist() == expected


def test_training_and_validation_share_out_the_patients(release):
    both = {split: NihChestXray14(release, split, val_fraction=0.5) for split in ("train", "val")}
    names = {split: [Path(path).name for path in data._paths] for split, data in both.items()}
    assert sorted(names["train"] + names["val"]) == TRAIN_VAL.split()
    assert not set(both["train"].patients) & set(both["val"].patients)
    assert len(NihChestXray14(release, "val", val_fraction=0)) == 0


def test_the_split_does_not_depend_on_order(release):
    before = set(NihChestXray14(release, "train", val_fraction=0.5)._paths)
    (release / "train_val_list.txt").write_text("\n".join(reversed(TRAIN_VAL.split())), encoding="utf-8")
    assert set(NihChestXray14(release, "train", val_fraction=0.5)._paths) == before


def test_images_in_the_releases_twelve_folders(release):
    for number, path in enumerate(sorted((release / "images").iterdir())):
        folder = release / f"images_{number + 1:03d}" / "images"
        folder.mkdir(parents=True)
        path.rename(folder / path.name)
    (release / "images").rmdir()
    data = NihChestXray14(release, "test")
    assert [Path(sample.path).parent.parent.name for sample in data] == ["images_005", "images_004"]


def test_colour_files_become_grey(release):
    Image.fromarray(np.full((4, 4, 4), (100, 100, 100, 255), np.uint8)).save(release / "images/00000004_000.png")
    image = NihChestXray14(release, "test")[0].image
    assert image.shape == (1, 4, 4)
    assert (image == 100).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Bbox [x,y,w,h],,,", '"Bbox [x,y,w,h]",,,'),
        ("Bbox [x,y,w,h],,,", "Bbox [x,y,w,h]"),
        ("Image Index", "\ufeffImage Index"),
        ("64,,,", "64"),
    ],
)
def test_quirks_of_the_box_list(release, old, new):
    edit(release / "BBox_List_2017.csv", old, new)
    assert NihChestXray14(release, "test")[1].boxes[0].tolist() == [4, 16, 8, 24, 9]


def test_the_newer_table_and_a_shorter_one(release):
    edit(release / "Data_Entry_2017.csv", "00000004_000.png,No Finding", "00000004_000.png,Edema")
    (release / "Data_Entry_2017.csv").rename(release / "Data_Entry_2017_v2020.csv")
    (release / "Data_Entry_2017.csv").write_text("not read", encoding="utf-8")
    assert NihChestXray14(release, "test").targets()[0].sum() == 1
    rows = [line.split(",") for line in ENTRIES.splitlines()]
    (release / "Data_Entry_2017_v2020.csv").write_text(
        "\n".join(f"{r[3]},{r[0]},{r[1]}" for r in rows), encoding="utf-8"
    )
    assert NihChestXray14(release, "test").targets()[1].sum() == 3


ENTRY, BOX, LIST = "Data_Entry_2017.csv", "BBox_List_2017.csv", "train_val_list.txt"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (ENTRY, "Finding Labels", "Finding Label", "lacks the column 'Finding Labels'.* Did you mean 'Finding Label'"),
        (ENTRY, "No Finding", "Cardiomegally", "row 3 has the label 'Cardiomegally'.* Did you mean 'Cardiomegaly'"),
        (ENTRY, "Infiltration", "No Finding|Mass", "row 4 has the label 'No Finding'.*alone"),
        (ENTRY, "Infiltration", "", "row 4 has the label ''"),
        (ENTRY, "00000002_000", "00000001_001", "row 4 repeats image '00000001_001.png' of row 3"),
        (ENTRY, "Infiltration,0,2,", "Infiltration,0,3,", "row 4 gives image '00000002_000.png' the patient ID '3'"),
        (ENTRY, "Infiltration,0,2,", "Infiltration,0,,", "row 4 gives image '00000002_000.png' the patient ID ''"),
        (ENTRY, ",Infiltration,0,2,81,M,PA,2500,2048,0.171,0.171,", "", "row 4 has 1 field where at least 4"),
        (BOX, "Finding Label", "Label", "lacks the column 'Finding Label'"),
        (BOX, "Bbox [x,y,w,h],,,", "a,b,c,d", r"lacks the column 'Bbox \[x,y,w,h\]'"),
        (BOX, "Mass", "Moss", "row 2 has the label 'Moss'.* Did you mean 'Mass'"),
        (BOX, "256,", "left,", "row 2 has the box x, y, w, h = left, 512, 128, 64"),
        (BOX, "256,", "nan,", "row 2 has the box x, y, w, h = nan"),
        (BOX, "256,", "-2,", "row 2 has the box .* = -2, 512, 128, 64: .* inside the 1024×1024 pixels"),
        (BOX, "256,", "898,", "row 2 has the box .* = 898, 512, 128, 64"),
        (BOX, "128,64", "128,0", "row 2 has the box .*w and h above 0"),
        (BOX, "128,64", "128", "row 2 has the box"),
        (BOX, "00000003_000.png,Mass", "00000009_000.png,Mass", "row 2 has a box on '00000009_000.png', an image that"),
        (BOX, "Infiltrate,100.5,-0.25,200,1024.5", "Mass,256,512,128,64", "row 3 repeats the box of row 2"),
        (LIST, "00000002_000.png", "00000009_000.png", "row 3 lists image '00000009_000.png', which .* has no row for"),
        (LIST, "00000002_000.png", "00000001_001.png", "row 3 repeats image '00000001_001.png' of row 2"),
        (LIST, "00000002_000.png", "00000003_000.png", "leak. Patient '3' is in both '(train|val)' and 'test'"),
        (LIST, TRAIN_VAL, "", "is empty"),
    ],
)
def test_a_malformed_file_is_named_with_its_row(release, file, old, new, message):
    edit(release / file, old, new)
    with pytest.raises(DataError, match=message) as caught:
        NihChestXray14(release, "test")
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [ENTRY, BOX, LIST, "test_list.txt"])
def test_a_missing_file_is_named(release, file):
    (release / file).unlink()
    with pytest.raises(DataError, match=file):
        NihChestXray14(release, "test")


def test_missing_folders(release, tmp_path):
    with pytest.raises(DataError, match="The folder '/no/such' does not exist"):
        NihChestXray14("/no/such", "test")
    (release / "images").rename(tmp_path / "pictures")
    with pytest.raises(DataError, match="has no folder 'images' or 'images_001'"):
        NihChestXray14(release, "test")


def test_images_that_are_not_on_disk_are_counted_for_the_split_asked_for(release):
    (release / "images/00000003_000.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 2 images of split 'test' are listed .*: '00000003_000\.png'"):
        NihChestXray14(release, "test")
    assert len(NihChestXray14(release, "train", val_fraction=0)) == 3


def test_a_broken_image_is_named_when_it_is_read(release):
    (release / "images/00000003_000.png").write_bytes(b"")
    data = NihChestXray14(release, "test")
    with pytest.raises(ImageError, match=r"00000003_000\.png' is empty"):
        data[1]


def test_options(release):
    with pytest.raises(UnknownNameError, match="Unknown split 'validation'"):
        NihChestXray14(release, "validation")
    with pytest.raises(ConfigError, match="val_fraction=1"):
        NihChestXray14(release, "val", val_fraction=1)


@pytest.fixture
def sample_dir() -> str:
    if "PYLON_ZOO_NIH_DIR" not in os.environ:
        pytest.skip("set PYLON_ZOO_NIH_DIR to a folder with the NIH ChestX-ray14 release, or a sample in its layout")
    return os.environ["PYLON_ZOO_NIH_DIR"]


def test_real_files(sample_dir):
    """Every table parses, no patient leaks, and the boxes of decoded images lie in them and on positive labels."""
    splits = {split: open_dataset(f"nih-cxr14:{sample_dir}", split) for split in ("train", "val", "test")}
    patients = {split: set(data.patients) for split, data in splits.items()}
    assert not patients["train"] & patients["val"]
    assert not patients["train"] & patients["test"]
    assert 0.05 < len(patients["val"]) / len(patients["train"] | patients["val"]) < 0.2
    seen = Counter()
    for data in splits.values():
        step = max(1, len(data) // 40)
        for index in range(0, len(data), step):
            sample = data[index]
            height, width = sample.image.shape[-2:]
            assert (sample.image.shape[0], sample.image.dtype) == (1, torch.uint8)
            assert (sample.boxes[:, 1:] >= 0).all()
            assert (sample.boxes[:, [3, 4]] <= torch.tensor([width, height])).all()
            assert (sample.boxes[:, 1:3] < sample.boxes[:, 3:5]).all()
            assert (sample.target[sample.boxes[:, 0].long()] == 1).all()
            seen.update(CLASSES[index] for index in sample.boxes[:, 0].int().tolist())
    assert set(seen) <= set(CLASSES[:8])
