"""The readers on real images, where `PYLON_ZOO_REAL_DIR` says that there are some; skipped elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from pylon_zoo.data.check import check_dataset
from pylon_zoo.data.registry import open_dataset

REAL = os.environ.get("PYLON_ZOO_REAL_DIR", "")
pytestmark = pytest.mark.skipif(not REAL, reason="PYLON_ZOO_REAL_DIR is not set")


def spec(name: str, folder: str) -> str:
    where = Path(REAL) / folder
    if not where.is_dir():
        pytest.skip(f"{where} is not there")
    return f"{name}:{where}"


@pytest.mark.slow
def test_blood_cells():
    data = open_dataset(spec("voc-xml", "bccd"), "train")
    assert (data.classes, len(data)) == (("Platelets", "RBC", "WBC"), 205)
    sample = data[0]
    assert sample.image.shape == (3, 480, 640)
    assert set(sample.boxes[:, 0].long().tolist()) == set(sample.target.nonzero().flatten().tolist())
    assert check_dataset(spec("voc-xml", "bccd")).problems == []


@pytest.mark.slow
def test_magnetic_tiles():
    data = open_dataset(spec("folders", "magnetic-tile"), "val", channels=1)
    assert (data.classes, len(data)) == (("blowhole", "break", "crack", "fray", "uneven"), 268)
    for sample in data:
        drawn = sample.masks.flatten(1).any(dim=1)
        assert not (drawn & (sample.target == 0)).any()
        assert set(sample.boxes[:, 0].long().tolist()) == set(drawn.nonzero().flatten().tolist())
    report = check_dataset(spec("folders", "magnetic-tile"))
    assert (report.problems, report.splits[0].images) == ([], 670)


@pytest.mark.slow
def test_tiles_of_circuit_boards():
    report = check_dataset(spec("coco", "deeppcb-tiles"))
    assert report.problems == []
    assert {remark.rpartition("' ")[2] for remark in report.remarks} == {
        "has one value everywhere; export it again if it should not."
    }
    assert [split.images for split in report.splits] == [3200, 800]
    boxes = torch.cat([split.boxes for split in report.splits])
    assert 25 < boxes[:, 1].median() < 40
