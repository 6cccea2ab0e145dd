"""What other programs say of the objects, where they are installed (Debian: dicom3tools, dcmtk)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radiographs import write_radiograph

from pylon_zoo.explanation.explainer import explain
from pylon_zoo.explanation.result import Explanation

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom-out]")
pytest.importorskip("highdicom", reason="needs the extra [dicom-out]")


def program(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def say(*words: str | Path) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, encoding="utf-8", errors="replace")
    return done.stdout + done.stderr


@pytest.fixture
def explanation(fixed_model: Callable, tmp_path: Path) -> Explanation:
    heatmap = torch.full((2, 5, 6), -4.0)
    heatmap[0, 1, 1], heatmap[1, 3, 4] = 3.0, 2.0
    return explain(fixed_model(heatmap, ("nodule", "Pleural thickening")), write_radiograph(tmp_path / "a.dcm"))


@program("dciodvfy")
def test_objects_are_as_the_standard_wants_them(explanation: Explanation, tmp_path: Path) -> None:
    slice_ = pydicom.data.get_testdata_file("CT_small.dcm")
    slices = explain_again(explanation, slice_)
    for place, one in enumerate((explanation, slices)):
        for file in one.to_dicom(tmp_path / str(place), model_name="tiny"):
            said = say("dciodvfy", file)
            assert said.strip(), "the program says at least which kind it is"
            assert [line for line in said.splitlines() if line.startswith("Error")] == [], file.name


def explain_again(explanation: Explanation, path: str) -> Explanation:
    """The same maps over another image."""
    from pylon_zoo.data.images import read_image

    kept = ("labels", "probabilities", "native_heatmaps", "half_logits", "thresholds")
    return Explanation(path=path, image=read_image(path), **{name: getattr(explanation, name) for name in kept})


@program("dcm2pnm")
def test_a_viewer_shows_captures_and_regions(explanation: Explanation, tmp_path: Path) -> None:
    files = {file.stem: file for file in explanation.to_dicom(tmp_path / "out", model_name="tiny")}
    say("dcm2pnm", "+on", files["capture_1_nodule"], tmp_path / "capture.png")
    with Image.open(tmp_path / "capture.png") as shown:
        assert np.array_equal(np.asarray(shown), pydicom.dcmread(files["capture_1_nodule"]).pixel_array)
    say("dcm2pnm", "+on", "+F", "2", files["segmentation"], tmp_path / "segment.png")
    with Image.open(tmp_path / "segment.png") as shown:
        inside = explanation.probability_map("Pleural thickening").numpy() >= 0.5
        assert np.array_equal(np.asarray(shown.convert("L")) > 0, inside)


@program("dsrdump")
def test_a_report_is_read_as_one(explanation: Explanation, tmp_path: Path) -> None:
    (report,) = explanation.to_dicom(tmp_path, model_name="tiny", kinds=["report"])
    said = say("dsrdump", "+Pl", report)
    assert "Comprehensive SR Document" in said
    finding = explanation.finding("nodule")
    assert f"(POINT,{finding.peak.x + 0.5:g}/{finding.peak.y + 0.5:g})" in said
    assert "Research use only, not for diagnosis" in said
