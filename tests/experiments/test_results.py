"""The lines of a grid's CSV file."""

from __future__ import annotations

import math

import pytest

from pylon_zoo.errors import DataError
from pylon_zoo.experiments.results import append_row, read_rows

ROW = {"row": "PYLON, one", "seed": 0, "auroc": 0.5, "point_accuracy": math.nan, "point_accuracy:Nodule": 0.25}


def test_lines_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "deep" / "grid.csv"
    assert read_rows(path) == []
    append_row(path, ROW)
    append_row(path, {**ROW, "seed": 1})
    first, second = read_rows(path)
    assert (first["row"], first["seed"], second["seed"]) == ("PYLON, one", "0", "1")
    assert (first["auroc"], first["point_accuracy"], first["point_accuracy:Nodule"]) == ("0.5000", "", "0.2500")
    assert path.read_text(encoding="utf-8").count("point_accuracy:Nodule") == 1, "one header"


def test_a_line_of_another_dataset_is_refused(tmp_path):
    append_row(tmp_path / "grid.csv", ROW)
    with pytest.raises(DataError, match=r"other columns \(point_accuracy:Mass\).*--csv"):
        append_row(tmp_path / "grid.csv", {**ROW, "point_accuracy:Mass": 1.0})
    assert len(read_rows(tmp_path / "grid.csv")) == 1


def test_lines_by_masks_and_by_boxes_do_not_mix(tmp_path):
    path = tmp_path / "grid.csv"
    append_row(path, {**ROW, "by_masks": ""})
    assert "by_masks" not in read_rows(path)[0]
    with pytest.raises(DataError, match=r"other columns \(by_masks\)"):
        append_row(path, {**ROW, "by_masks": "energy pxap"})
    append_row(tmp_path / "masks.csv", {**ROW, "by_masks": "energy pxap"})
    assert read_rows(tmp_path / "masks.csv")[0]["by_masks"] == "energy pxap"
