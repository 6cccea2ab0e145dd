"""What the user has downloaded, compared with what the release has."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from pylon_zoo.data.download import AGREEMENTS, download
from pylon_zoo.data.download.arrived import SUMS, lost_and_damaged, missing_of, open_splits
from pylon_zoo.data.download.table import Way
from pylon_zoo.errors import DataError

NAMES = [f"{number:032x}" for number in range(40)]
TABLE = "annotations/annotations_train.csv"
LABELS = "annotations/image_labels_train.csv"
COLUMNS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,"
    "Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,"
    "Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,"
    "Tuberculosis,Other diseases,No finding"
)
WAY = Way((), (("train/*.png",), len(NAMES)), ("annotations/*_train.csv", "train/*"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VinDr-CXR as PhysioNet has it, with forty images as PNG and the list of checksums."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train").mkdir()
    for name in NAMES:
        Image.new("L", (8, 8), int(name, 16)).save(tmp_path / "train" / f"{name}.png")
    rows = "\n".join(f"{name},R{reader},No finding,,,," for name in NAMES for reader in range(3))
    (tmp_path / TABLE).write_text(f"image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n{rows}\n", encoding="utf-8")
    none = ",".join(["0"] * 27 + ["1"])
    rows = "\n".join(f"{name},R{reader},{none}" for name in NAMES for reader in range(3))
    (tmp_path / LABELS).write_text(f"image_id,rad_id,{COLUMNS}\n{rows}\n", encoding="utf-8")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    lines = [f"{sha256(path.read_bytes()).hexdigest()} {path.relative_to(tmp_path).as_posix()}" for path in files]
    (tmp_path / SUMS).write_text("\n".join([*lines, f"{'0' * 64} test/not needed.dicom", ""]), encoding="utf-8")
    return tmp_path


def missing(root: Path, watch=None) -> list[str]:
    return list(missing_of("vindr_cxr", root, WAY, watch))


def test_all_of_it(root, heard):
    assert missing(root) == []
    assert missing(root, heard.watch) == []
    splits = open_splits("vindr_cxr", root)
    assert list(splits) == ["train", "val", "test"]
    assert sum(splits.values()) == 40


def test_images_that_are_missing(root):
    for name in NAMES[:5]:
        (root / "train" / f"{name}.png").unlink()
    listed, counted, opened = missing(root)
    assert listed.startswith(f"5 ('train/{NAMES[0]}.png', ")
    assert listed.endswith(f"of the 42 files that '{root / SUMS}' lists are not there.")
    assert counted == f"'{root}' has 35 of the release's 40 images (train/*.png)."
    assert "images of split" in opened


def test_a_table_that_is_missing(root):
    (root / TABLE).unlink()
    assert f"1 ('{TABLE}') of the 42 files" in missing(root)[0]


def test_other_bytes_are_found_where_all_is_read(root, heard):
    (root / "train" / f"{NAMES[3]}.png").write_bytes(b"other")
    assert missing(root) == []
    (found,) = missing(root, heard.watch)
    assert found.startswith(f"1 ('train/{NAMES[3]}.png') of the files that")
    assert found.endswith("have other bytes: download them again.")


def test_without_a_list_of_checksums(root, heard):
    (root / SUMS).unlink()
    assert missing(root, heard.watch) == []
    (root / "train" / f"{NAMES[3]}.png").unlink()
    assert len(missing(root)) == 2


def test_nothing_there(tmp_path):
    counted, opened = missing(tmp_path)
    assert counted == f"'{tmp_path}' has 0 of the release's 40 images (train/*.png)."
    assert str(tmp_path) in opened


@pytest.mark.parametrize("line", ["abc train/1.png", f"{'0' * 64}", f"{'0' * 64} ../1.png", f"{'0' * 64} /1.png"])
def test_a_list_that_is_none(root, line):
    (root / SUMS).write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"{SUMS}' row 1 is not a SHA-256 and a file of the release"):
        missing(root)


def test_a_list_that_is_no_text(root):
    (root / SUMS).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        missing(root)


@pytest.mark.parametrize("name", AGREEMENTS)
def test_every_agreement_says_what_an_empty_folder_lacks(name, tmp_path):
    for way in AGREEMENTS[name].sources.values():
        problems = list(missing_of(name, tmp_path, way, None))
        assert problems
        assert all("\n" not in problem and problem.endswith(".") for problem in problems)


def test_a_download_is_compared_with_its_records(tiny, tmp_path, heard):
    download("chestx-det", tmp_path)
    assert list(lost_and_damaged(tmp_path, heard.watch)) == []
    (tmp_path / "train_data" / "3.png").unlink()
    path = tmp_path / "train_data" / "4.png"
    path.write_bytes(bytes(path.stat().st_size))
    lost, damaged = lost_and_damaged(tmp_path, heard.watch)
    assert lost == f"'{tmp_path / 'train_data' / '3.png'}' of 'train_data.zip' is not there, or has another size."
    assert damaged.startswith(f"'{path}' of 'train_data.zip' has other bytes than were downloaded on 2")


def test_a_folder_without_records(tmp_path, heard):
    with pytest.raises(DataError, match="has no record of a download"):
        list(lost_and_damaged(tmp_path, heard.watch))
