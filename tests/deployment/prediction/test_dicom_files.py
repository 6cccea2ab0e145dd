from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prediction_inputs import encoded, write_tar
from radiographs import noise, write_radiograph

import pylon_zoo
from pylon_zoo.deployment.prediction import predict as module
from pylon_zoo.errors import ConfigError, UnknownNameError

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom-out]")
highdicom = pytest.importorskip("highdicom", reason="needs the extra [dicom-out]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two radiographs of a study, a picture, and a radiograph that names no study."""
    scans = tmp_path / "scans"
    scans.mkdir()
    write_radiograph(scans / "1.dcm", noise(1))
    write_radiograph(scans / "2.dcm", noise(2), InstanceNumber=2)
    (scans / "3.png").write_bytes(encoded(3))
    write_radiograph(scans / "4.dcm", noise(4), StudyInstanceUID=None)
    return scans


def test_objects_are_those_of_explain(folder: Path, predict, model, tmp_path: Path) -> None:
    table = predict(folder, dicom_dir=tmp_path / "dicom", batch_size=1, threshold=0.3)
    assert table.schema.names[-2:] == ["dicom", "dicom_error"]
    rows = table.to_pylist()
    assert [row["error"] for row in rows] == [None] * 4
    for row, name in zip(rows[:2], ("1.dcm", "2.dcm"), strict=True):
        explanation = pylon_zoo.explain(model, folder / name, threshold=0.3)
        files = {Path(file).name: pydicom.dcmread(tmp_path / "dicom" / file) for file in row["dicom"]}
        found = [finding.label for finding in explanation.top() if finding.boxes]
        ours = explanation.to_dicom(tmp_path / name.partition(".")[0], model_name="small", labels=found)
        expected = {file.name: pydicom.dcmread(file) for file in ours if not file.name.startswith("capture")}
        assert len(expected) > 2, "nothing was found"
        assert {file: one.SOPInstanceUID for file, one in files.items()} == {
            file: one.SOPInstanceUID for file, one in expected.items()
        }
    assert [row["dicom"] for row in rows[2:]] == [[], []]
    assert [row["dicom_error"] for row in rows[:2]] == [None, None]
    assert "is no DICOM file" in rows[2]["dicom_error"]
    assert "no valid StudyInstanceUID" in rows[3]["dicom_error"]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_images_in_a_shard_have_patients_too(folder: Path, predict, tmp_path: Path, workers: int) -> None:
    members = {name: (folder / name).read_bytes() for name in ("1.dcm", "2.dcm")}
    shard = write_tar(tmp_path / "shard.tar", {**members, "no.png": b"no image"})
    options = {"dicom_dir": tmp_path / "dicom", "dicom_kinds": ["report"], "workers": workers}
    rows = predict(shard, **options).to_pylist()
    assert [row["dicom"] for row in rows] == [["00000/00000000/report.dcm"], ["00000/00000001/report.dcm"], None]
    reports = [pydicom.dcmread(tmp_path / "dicom" / row["dicom"][0]) for row in rows[:2]]
    assert {str(report.PatientName) for report in reports} == {"Müller^Jörg"}
    assert len({report.SOPInstanceUID for report in reports}) == 2
    assert len({report.SeriesInstanceUID for report in reports}) == 1


class Stop(Exception):
    """An interruption."""


def test_what_was_interrupted_is_continued(folder: Path, predict, tmp_path: Path, monkeypatch) -> None:
    whole = predict(folder, dicom_dir=tmp_path / "whole", rows_per_part=1, out="whole.parquet")
    original = module.row

    def stopping(loaded, explanation):
        if loaded.number == 1:
            raise Stop
        return original(loaded, explanation)

    with monkeypatch.context() as patch:
        patch.setattr(module, "row", stopping)
        with pytest.raises(Stop):
            predict(folder, dicom_dir=tmp_path / "again", rows_per_part=1)
    first = tmp_path / "again" / "00000" / "00000000" / "report.dcm"
    before = first.read_bytes()
    assert predict(folder, dicom_dir=tmp_path / "again", rows_per_part=1).equals(whole)
    assert first.read_bytes() == before, "a part that was done was done again"
    for file in whole["dicom"].combine_chunks().flatten().to_pylist():
        one, other = (pydicom.dcmread(tmp_path / place / file) for place in ("whole", "again"))
        assert one.SOPInstanceUID == other.SOPInstanceUID
    with pytest.raises(ConfigError, match=r"options\.dicom"):
        predict(folder, rows_per_part=1)


def test_without_a_folder_there_are_no_columns(folder: Path, predict) -> None:
    assert not {"dicom", "dicom_error"} & set(predict(folder).schema.names)


def test_coordinates_are_those_of_the_table(folder: Path, predict, tmp_path: Path) -> None:
    options = {"dicom_dir": tmp_path / "dicom", "dicom_kinds": ["report"], "threshold": 0.3}
    row = predict(folder / "1.dcm", **options).to_pylist()[0]
    content = highdicom.sr.srread(tmp_path / "dicom" / row["dicom"][0]).content
    for group in content.get_image_measurement_groups():
        certainty = group.get_measurements()[0]
        label = group.tracking_identifier
        x, y = certainty.referenced_coordinates[0].value[0] - 0.5
        assert (x, y) == (row[f"x_{label}"], row[f"y_{label}"])
        assert certainty.value / 100 == pytest.approx(row[f"p_{label}"], abs=1e-7)
    corners = [group.roi.value for group in content.get_planar_roi_measurement_groups()]
    boxes = np.array([[*one.min(0), *(one.max(0) - 1)] for one in corners])
    assert len(boxes) > 0
    assert sorted(boxes.tolist()) == sorted([box[side] for side in ("x0", "y0", "x1", "y1")] for box in row["boxes"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dicom_kinds": ["capture"]}, ConfigError, "shows the image, which is gone .*explain --format dicom"),
        ({"dicom_kinds": ["reprot"]}, UnknownNameError, "Did you mean 'report'"),
        ({"dicom_dir": "scans/dicom"}, ConfigError, "--dicom-dir .* lies in the input"),
        ({"dicom_dir": "scans/1.dcm"}, ConfigError, "--dicom-dir .* cannot be a folder"),
    ],
)
def test_wrong_options(folder: Path, predict, tmp_path: Path, monkeypatch, options: dict, error, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        predict(folder, **{"dicom_dir": tmp_path / "dicom", **options})


def test_types_of_the_columns(folder: Path, predict, tmp_path: Path) -> None:
    schema = predict(folder / "3.png", dicom_dir=tmp_path / "dicom").schema
    assert (schema.field("dicom").type, schema.field("dicom_error").type) == (pa.list_(pa.string()), pa.string())
