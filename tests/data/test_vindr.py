from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.vindr import CLASSES, VinDrCxr
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError

KAGGLE = """\
image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
50a4,No finding,14,R11,,,,
50a4,No finding,14,R15,,,,
50a4,No finding,14,R4,,,,
9a5e,Cardiomegaly,3,R10,6.0,10.0,14.0,16.0
9a5e,Cardiomegaly,3,R9,6.0,10.0,14.0,18.0
9a5e,Aortic enlargement,0,R9,8.0,2.0,12.0,6.0
9a5e,Cardiomegaly,3,R8,0.0,0.0,2.0,2.0
051d,Pleural effusion,10,R10,1.0,1.0,5.0,5.5
051d,No finding,14,R9,,,,
051d,No finding,14,R8,,,,
"""
BOXES = KAGGLE.replace("class_id,", "").replace(",14,R", ",R").replace(",3,R", ",R").replace(",0,R", ",R")
BOXES = BOXES.replace(",10,R", ",R").replace("Pleural effusion", "Rib fracture")
NAMES = [*CLASSES, "Rib fracture", "Pneumonia", "No finding"]
READERS = {
    ("50a4", "R11"): "No finding",
    ("50a4", "R15"): "No finding",
    ("50a4", "R4"): "No finding",
    ("9a5e", "R10"): "Cardiomegaly",
    ("9a5e", "R9"): "Cardiomegaly|Aortic enlargement|Pneumonia",
    ("9a5e", "R8"): "Cardiomegaly",
    ("051d", "R10"): "Rib fracture",
    ("051d", "R9"): "No finding",
    ("051d", "R8"): "No finding",
}
LABELS = "\n".join(
    [
        ",".join(["image_id", "rad_id", *NAMES]),
        *(
            ",".join([*key, *("1" if name in names.split("|") else "0" for name in NAMES)])
            for key, names in READERS.items()
        ),
    ]
)


def write_images(folder: Path, suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    for image in ("50a4", "9a5e", "051d"):
        Image.new("L", (16, 20), 90).save(folder / f"{image}{suffix}")


@pytest.fixture
def kaggle(tmp_path) -> Path:
    (tmp_path / "train.csv").write_text(KAGGLE, encoding="utf-8")
    write_images(tmp_path / "train")
    return tmp_path


@pytest.fixture
def physionet(tmp_path) -> Path:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/annotations_train.csv").write_text(BOXES, encoding="utf-8")
    (tmp_path / "annotations/image_labels_train.csv").write_text(LABELS, encoding="utf-8")
    write_images(tmp_path / "train")
    return tmp_path


def samples(root: Path, **options) -> dict[str, object]:
    """Image → sample, over all splits."""
    splits = [VinDrCxr(root, split, **options) for split in ("train", "val", "test")]
    return {sample.patient: sample for data in splits for sample in data}


def present(sample) -> list[int]:
    return sample.target.nonzero().flatten().tolist()


def test_any_reader_and_all_boxes(kaggle):
    found = samples(kaggle)
    assert sorted(found) == ["051d", "50a4", "9a5e"]
    assert {image: present(sample) for image, sample in found.items()} == {
        "50a4": [14],
        "9a5e": [0, 3],
        "051d": [10, 14],
    }
    assert found["9a5e"].boxes.tolist() == [
        [3, 6, 10, 14, 16],
        [3, 6, 10, 14, 18],
        [0, 8, 2, 12, 6],
        [3, 0, 0, 2, 2],
    ]
    assert found["50a4"].boxes.shape == (0, 5)
    assert found["9a5e"].image.shape == (1, 20, 16)


def test_the_majority_and_merged_boxes(kaggle):
    found = samples(kaggle, labels="majority", boxes="merged")
    assert {image: present(sample) for image, sample in found.items()} == {"50a4": [14], "9a5e": [3], "051d": [14]}
    assert found["9a5e"].boxes.tolist() == [[3, 6, 10, 14, 17], [3, 0, 0, 2, 2]]
    assert found["051d"].boxes.shape == (0, 5)
    merged = samples(kaggle, boxes="merged")
    assert merged["051d"].boxes.tolist() == [[10, 1, 1, 5, 5.5]]


def test_no_option_moves_an_image_to_another_split(tmp_path):
    rows = [f"im{n},{name},R{n % 3},1,1,5,5" for n in range(200) for name in ("ILD,5", "Cardiomegaly,3")[: 1 + n % 2]]
    rows += [f"im{n},No finding,14,{reader},,,," for n in range(200) for reader in ("R8", "R9") if n % 3]
    (tmp_path / "train").mkdir()
    (tmp_path / "train.csv").write_text("\n".join([KAGGLE.splitlines()[0], *rows]), encoding="utf-8")
    for n in range(200):
        (tmp_path / f"train/im{n}.png").touch()
    for split in ("train", "val", "test"):
        data, other = VinDrCxr(tmp_path, split), VinDrCxr(tmp_path, split, labels="majority", no_finding=False)
        assert data.patients == other.patients
        assert not torch.equal(data.targets()[:, :14], other.targets())


def test_fourteen_outputs(kaggle):
    data = VinDrCxr(kaggle, "train", no_finding=False)
    assert (data.classes, data.targets().shape[1]) == (CLASSES, 14)


def test_physionet_says_the_same(physionet):
    found = samples(physionet)
    assert {image: present(sample) for image, sample in found.items()} == {
        "50a4": [14],
        "9a5e": [0, 3],
        "051d": [9, 14],  # Kaggle has no class for a rib fracture
    }
    assert found["051d"].boxes.tolist() == [[9, 1, 1, 5, 5.5]]
    assert len(open_dataset(f"vindr-cxr:{physionet}", "train", labels="majority").targets()) >= 1


def test_copies_of_another_size(kaggle):
    (kaggle / "train_meta.csv").write_text("image_id,dim0,dim1\n9a5e,40,32\n051d,40,32\n50a4,40,32\n", encoding="utf-8")
    assert samples(kaggle)["9a5e"].boxes[0].tolist() == [3, 3, 5, 7, 8]
    (kaggle / "train_meta.csv").write_text("image_id,dim0,dim1\n9a5e,32,40\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"9a5e.png' is 16 wide and 20 high, but '.*train.csv' rows 5, 6, 7, 8 measures"
    ):
        samples(kaggle)


def test_dicom_images(kaggle):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dicom = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dicom.SOPClassUID, dicom.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dicom.Rows, dicom.Columns, dicom.SamplesPerPixel, dicom.PhotometricInterpretation = 20, 16, 1, "MONOCHROME1"
    dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit, dicom.PixelRepresentation = 16, 14, 13, 0
    dicom.PixelData = np.zeros((20, 16), np.uint16).tobytes()
    (kaggle / "train/9a5e.png").unlink()
    dicom.save_as(kaggle / "train/9a5e.dicom", enforce_file_format=True)
    sample = samples(kaggle)["9a5e"]
    assert (sample.image == 1).all()
    assert sample.image.shape == (1, 20, 16)
    assert sample.path.endswith("9a5e.dicom")


def test_the_split_is_seventy_ten_twenty_of_every_finding(tmp_path):
    rows = [f"im{n},{'Cardiomegaly,3' if n % 5 else 'Pneumothorax,12'},R1,1,1,5,5" for n in range(500)]
    (tmp_path / "train").mkdir()
    (tmp_path / "train.csv").write_text("\n".join([KAGGLE.splitlines()[0], *rows]), encoding="utf-8")
    for n in range(500):
        (tmp_path / f"train/im{n}.png").touch()
    splits = {split: VinDrCxr(tmp_path, split) for split in ("train", "val", "test")}
    assert {split: data.targets()[:, [3, 12]].sum(0).tolist() for split, data in splits.items()} == {
        "train": [280, 70],
        "val": [40, 10],
        "test": [80, 20],
    }
    before = splits["val"].patients
    (tmp_path / "train.csv").write_text("\n".join([KAGGLE.splitlines()[0], *reversed(rows)]), encoding="utf-8")
    assert VinDrCxr(tmp_path, "val").patients == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class_name", "name", "lacks the column 'class_name'"),
        ("x_max", "x_mix", "lacks the column 'x_max'.* Did you mean"),
        ("Cardiomegaly", "Cardiomegally", "row 5 has the class 'Cardiomegally'.* Did you mean 'Cardiomegaly'"),
        ("Cardiomegaly,3", "Cardiomegaly,4", "row 5 has the class_id '4', but 'Cardiomegaly' is 3"),
        ("6.0,10.0,14.0,16.0", "6.0,10.0,6.0,16.0", "row 5 has a box .* = 6.0, 10.0, 6.0, 16.0"),
        ("6.0,10.0,14.0,16.0", "-6.0,10.0,6.0,16.0", "row 5 has a box"),
        ("6.0,10.0,14.0,16.0", "nan,10.0,6.0,16.0", "row 5 has a box"),
        ("6.0,10.0,14.0,16.0", ",,,", "row 5 has a box"),
        ("6.0,10.0,14.0,16.0", "6.0", "row 5 has 5 fields where at least 8"),
        ("R11,,,,", "R11,1,1,5,5", "row 2 has 'No finding' with a box"),
        ("9a5e,Cardiomegaly,3,R10", ",Cardiomegaly,3,R10", "row 5 has an empty image_id"),
        ("No finding,14,R9", "No finding,14,R10", "row 10 contradicts another row by radiologist 'R10'"),
        ("9a5e,Cardiomegaly,3,R10", "50a4,Cardiomegaly,3,R4", "row 5 contradicts another row by radiologist 'R4'"),
        (KAGGLE[KAGGLE.index("50a4") :], "", "has a header and no rows"),
        (KAGGLE, "", "is empty"),
    ],
)
def test_a_malformed_table_is_named_with_its_row(kaggle, old, new, message):
    assert old in KAGGLE
    (kaggle / "train.csv").write_text(KAGGLE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        VinDrCxr(kaggle, "train")
    assert "train.csv" in str(caught.value)


def test_a_row_that_is_there_twice_counts_once(kaggle):
    before = [sample.boxes.tolist() for sample in VinDrCxr(kaggle, "train")]
    rows = KAGGLE.splitlines(keepends=True)
    (kaggle / "train.csv").write_text(
        "".join([rows[0], *(row for row in rows[1:] for _ in range(2))]), encoding="utf-8"
    )
    assert [sample.boxes.tolist() for sample in VinDrCxr(kaggle, "train")] == before


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("image_labels_train", "ILD", "LID", "lacks the column 'ILD'"),
        ("image_labels_train", "50a4,R11,0", "50a4,R11,2", "row 2 has '2' in the column 'Aortic enlargement'"),
        ("image_labels_train", "50a4,R11,0", "50a4,R11,1", "row 2 has 'No finding' beside findings"),
        ("image_labels_train", "50a4,R15", "50a4,R11", "row 3 repeats image '50a4' of radiologist 'R11'"),
        ("image_labels_train", "50a4,R15", "50a4,", "row 3 has an empty"),
        ("annotations_train", "051d,No", "051e,No", "row 10 has image '051e', which the table of labels has no row"),
        ("annotations_train", "R8,0.0", "R7,0.0", "row 8 is by radiologist 'R7', whose labels"),
        ("annotations_train", "9a5e,Card", "9a5e,ILD,R10,0,0,3,3\n9a5e,Card", "row 5 contradicts the table of labels"),
    ],
)
def test_a_malformed_table_of_physionet(physionet, file, old, new, message):
    path = physionet / f"annotations/{file}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        VinDrCxr(physionet, "train")
    assert file in str(caught.value)


@pytest.mark.parametrize("row", ["9a5e,40", "9a5e,40,0", "9a5e,-1,40", "9a5e,40,32\n9a5e,40,32"])
def test_malformed_sizes(kaggle, row):
    (kaggle / "train_meta.csv").write_text(f"image_id,dim0,dim1\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train_meta\.csv' row [23] "):
        VinDrCxr(kaggle, "train")


def test_what_is_only_known_once_the_image_is_read(kaggle):
    (kaggle / "train.csv").write_text(KAGGLE.replace("14.0,16.0", "19.0,16.0"), encoding="utf-8")
    with pytest.raises(DataError, match=r"train.csv' rows 5, 6, 7, 8 on image '.*9a5e.png' has a box .*16 wide and 20"):
        samples(kaggle)


def test_missing_files(kaggle):
    (kaggle / "train/50a4.png").unlink()
    with pytest.raises(DataError, match=r"1 of the \d images of split 'train' are not on disk .*train.csv.*'50a4'"):
        samples(kaggle)
    (kaggle / "train.csv").unlink()
    with pytest.raises(DataError, match=r"has neither train\.csv \(Kaggle\) nor annotations/annotations_train\.csv"):
        VinDrCxr(kaggle, "train")
    (kaggle / "annotations").mkdir()
    (kaggle / "annotations/annotations_train.csv").write_text(BOXES, encoding="utf-8")
    with pytest.raises(DataError, match=r"image_labels_train\.csv' does not exist"):
        VinDrCxr(kaggle, "train")


def test_not_utf8(kaggle):
    (kaggle / "train.csv").write_bytes(KAGGLE.encode("utf-16"))
    with pytest.raises(DataError, match=r"train\.csv' is not UTF-8"):
        VinDrCxr(kaggle, "train")


def test_options(kaggle):
    with pytest.raises(ConfigError, match=r"labels='all': it must be one of any, majority"):
        VinDrCxr(kaggle, "train", labels="all")
    with pytest.raises(ConfigError, match=r"boxes='merge'.*Did you mean 'merged'"):
        VinDrCxr(kaggle, "train", boxes="merge")
    with pytest.raises(UnknownNameError, match="Unknown split"):
        VinDrCxr(kaggle, "all")


def test_a_check_goes_on_after_a_malformed_row(kaggle):
    (kaggle / "train.csv").write_text(
        KAGGLE.replace("Cardio", "Cordio").replace("R11,,,,", "R11,1,1,5,5"), encoding="utf-8"
    )
    with collect_problems() as problems:
        targets = [VinDrCxr(kaggle, split).targets() for split in ("train", "val", "test")]
    assert [problem.split("row ")[1].split()[0] for problem in problems] == ["2", "5", "6", "8"]
    assert torch.cat(targets).shape == (3, 15)
