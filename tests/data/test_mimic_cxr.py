from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pictures import draw

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.chexpert_labels import CLASSES
from pylon_zoo.data.mimic_cxr import MimicCxr
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import DataError, UnknownNameError

IMAGES = {  # dicom → subject, study, view, split
    "02aa804e": ("10000032", "50414267", "PA", "train"),
    "174413ec": ("10000032", "50414267", "LATERAL", "train"),
    "2a2277a9": ("10000764", "57375967", "AP", "validate"),
    "68b5c4b1": ("10000935", "50578979", "PA", "test"),
}
HEART = CLASSES.index("Cardiomegaly")
BOXES = "MS_CXR_Local_Alignment_v1.1.0.csv"
TABLES = {
    "mimic-cxr-2.0.0-chexpert.csv": [
        f"subject_id,study_id,No Finding,{','.join(CLASSES)}",
        "10000032,50414267,,1.0,0.0,-1.0" + "," * 10,
        "10000764,57375967,1.0" + "," * 13,
        "10000935,50578979," + "," * 13,
    ],
    "mimic-cxr-2.0.0-metadata.csv": [
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        *(f"{dicom},{subject},{study},CHEST,{view},24,32" for dicom, (subject, study, view, _) in IMAGES.items()),
    ],
    "mimic-cxr-2.0.0-split.csv": [
        "dicom_id,study_id,subject_id,split",
        *(f"{dicom},{study},{subject},{split}" for dicom, (subject, study, _, split) in IMAGES.items()),
    ],
    BOXES: [
        "dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height,split",
        "02aa804e,Cardiomegaly,The heart is large,files/p10/…,8,4,16,10,32,24,train",
        '02aa804e,Cardiomegaly,"Enlarged, the heart",files/p10/…,8,4,16,10,32,24,train',
        "02aa804e,Edema,Edema,files/p10/…,0,0,32,24,32,24,train",
    ],
}


@pytest.fixture
def root(tmp_path) -> Path:
    for name, lines in TABLES.items():
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    for dicom, (subject, study, _, _) in IMAGES.items():
        draw(tmp_path / f"files/p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg")
    return tmp_path


def test_the_release(root):
    data = MimicCxr(root, "train")
    assert (data.patients, len(MimicCxr(root, "val")), len(MimicCxr(root, "test"))) == (["10000032"], 1, 1)
    sample = data[0]
    edema = CLASSES.index("Edema")
    # drawn on 32×24, on disk 16×12; two phrases of one region are one box
    assert sample.boxes.tolist() == [[HEART, 4, 2, 12, 7], [edema, 0, 0, 16, 12]]
    assert sample.target[[0, HEART, edema, 3]].tolist() == [1, 1, 1, 0]  # the report's 0.0 for the heart is overruled
    assert sample.target[2].isnan()
    report = check_dataset(f"mimic-cxr:{root}")
    assert (report.problems, [split.images for split in report.splits]) == ([], [1, 1, 1])


def test_options_and_packed_tables(root):
    for name in TABLES:
        if name != BOXES:
            (root / f"{name}.gz").write_bytes(gzip.compress((root / name).read_bytes()))
            (root / name).unlink()
    assert len(open_dataset(f"mimic-cxr:{root}", "train", views="all")) == 2
    assert len(open_dataset(f"mimic-cxr:{root}", "val", boxed=True)) == 0
    assert open_dataset(f"mimic-cxr:{root}", "test", blank="ignore").targets().isnan().all()
    (root / BOXES).unlink()
    assert MimicCxr(root, "train")[0].boxes.shape == (0, 5)
    with pytest.raises(UnknownNameError, match="Unknown views 'pa'"):
        MimicCxr(root, "train", views="pa")
    (root / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(DataError, match=r"split\.csv\.gz' cannot be read"):
        MimicCxr(root, "train")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (BOXES, "8,4,16,10", "8,4,26,10", BOXES + "' row 2 has a box .*inside the image, 32 wide and 24 high"),
        (BOXES, "8,4,16,10", "8,4,x,10", BOXES + "' row 2 has x, y, w, h, image_width, image_height"),
        (BOXES, "Cardiomegaly", "Cardiomegali", BOXES + "' row 2 has the category 'Cardiomegali'.*Did you mean 'Card"),
        ("mimic-cxr-2.0.0-split.csv", "validate", "val", r"split.csv' row 4 has the split 'val'"),
        ("mimic-cxr-2.0.0-chexpert.csv", "-1.0", "-3", r"chexpert.csv' row 2 has '-3' in the column 'Lung Opacity'"),
        (
            "mimic-cxr-2.0.0-chexpert.csv",
            "10000764,57375967",
            "10000032,50414267",
            r"chexpert.csv' row 3 repeats",
        ),
        ("mimic-cxr-2.0.0-metadata.csv", "174413ec", "02aa804e", r"metadata.csv' row 3 repeats image '02aa804e'"),
        ("mimic-cxr-2.0.0-metadata.csv", "10000764", "10000032", r"split.csv' leak. Patient '10000032' is in both"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(root, file, old, new, message):
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        MimicCxr(root, "train")
    assert "\n" not in str(caught.value)
    assert check_dataset(f"mimic-cxr:{root}").problems


def test_an_image_that_is_missing_or_on_its_side(root):
    path = root / "files/p10/p10000032/s50414267/02aa804e.jpg"
    draw(path, (12, 16))
    with pytest.raises(DataError, match=r"02aa804e.jpg' is 12 wide and 16 high, but .*row 2, 3, 4 measures it as 32"):
        MimicCxr(root, "train")[0]
    path.unlink()
    with pytest.raises(DataError, match=r"1 of the 1 images of split 'train' are not on disk .*split.csv.*'02aa804e'"):
        MimicCxr(root, "train")
