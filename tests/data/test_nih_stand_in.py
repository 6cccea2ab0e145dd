"""The stand-in of NIH ChestX-ray14 has the release's numbers and quirks, and the library reads all of it."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from pylon_zoo.data import open_dataset
from pylon_zoo.data.check import check_dataset

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "nih_stand_in.py"


@pytest.fixture(scope="module")
def stand_in() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.fixture(scope="module")
def small(stand_in: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nih")
    stand_in.write_release(root, images=240, side=16)
    return root


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")


def test_the_tables_are_written_as_they_are_shipped(small: Path) -> None:
    header, first, *_ = lines(small / "Data_Entry_2017.csv")
    assert header.endswith("OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],")
    assert first.endswith(",2500,2048,0.168,0.168,")
    assert first.split(",")[4].endswith("Y")
    header, *rows = lines(small / "BBox_List_2017.csv")
    assert header == "Image Index,Finding Label,Bbox [x,y,w,h],,,"
    assert any(",Infiltrate," in row for row in rows)
    assert lines(small / "test_list.txt")[-1] != "", "the last line does not end"


def test_some_images_have_four_channels(small: Path) -> None:
    images = sorted(small.glob("images_*/images/*.png"))
    assert len(images) == 240
    modes = {Image.open(path).mode for path in images}
    assert modes == {"L", "RGBA"}


def test_it_is_read_without_a_problem(small: Path) -> None:
    report = check_dataset(f"nih-cxr14:{small}")
    assert (report.problems, report.remarks) == ([], [])
    assert sum(split.images for split in report.splits) == 240
    assert open_dataset(f"nih-cxr14:{small}", "test")[0].image.shape == (1, 16, 16)


@pytest.mark.slow
def test_at_full_size_its_numbers_are_the_releases(stand_in: SimpleNamespace, tmp_path: Path) -> None:
    images = stand_in.write_tables(tmp_path)
    assert len(set(images)) == 112_120
    assert len({image[:8] for image in images}) == 30_805
    lists = {name: set(lines(tmp_path / f"{name}_list.txt")) for name in ("train_val", "test")}
    assert {name: len(listed) for name, listed in lists.items()} == {"train_val": 86_524, "test": 25_596}
    people = {name: {image[:8] for image in listed} for name, listed in lists.items()}
    assert {name: len(of) for name, of in people.items()} == {"train_val": 28_008, "test": 2_797}
    assert not people["train_val"] & people["test"]
    with (tmp_path / "BBox_List_2017.csv").open(newline="", encoding="utf-8") as file:
        boxes = list(csv.reader(file))[1:]
    assert len(boxes) == 984
    assert {image for image, *_ in boxes} <= lists["test"]
    counted = {label: sum(row[1] == label for row in boxes) for label in stand_in.BOXES}
    assert counted == stand_in.BOXES
    with (tmp_path / "Data_Entry_2017.csv").open(newline="", encoding="utf-8") as file:
        found = sum(row[1] != "No Finding" for row in list(csv.reader(file))[1:])
    assert found == pytest.approx(stand_in.FOUND, rel=0.05)
