from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radiographs import write_radiograph

from pylon_zoo.cli.main import main
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 3, in_chans=1, label_names=("nodule", "mass", "effusion"))
    return str(save_checkpoint(model, tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: `scans/1.png`, `scans/2.png`, `scans/deep/3.jpg`, `broken.png`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("scans/1.png", "scans/2.png", "scans/deep/3.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 48), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "broken.png").write_text("not an image", encoding="utf-8")
    return tmp_path


def results(out: str = "out") -> dict:
    return json.loads(Path(out, "results.json").read_text(encoding="utf-8"))


def test_a_folder_is_explained(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "scans", "--checkpoint", checkpoint, "--out", "out", "--top", "1"]) == 0
    entries = results()["images"]
    assert [Path(entry["path"]).name for entry in entries] == ["1.png", "2.png", "3.jpg"]
    assert all(len(entry["findings"]) == 1 for entry in entries)
    assert results()["model"] == checkpoint
    assert (folder / "out" / "report.html").stat().st_size > 10_000
    text = capsys.readouterr().out
    assert "Explained 3 of 3 images. Open out/report.html" in text
    assert entries[0]["findings"][0]["label"] in text


def test_a_pattern_is_explained(folder: Path, checkpoint: str) -> None:
    assert main(["explain", "scans/[2-9].png", "--checkpoint", checkpoint, "--out", "out", "--labels", "mass"]) == 0
    (entry,) = results()["images"]
    assert Path(entry["path"]) == Path("scans/2.png")
    assert [finding["label"] for finding in entry["findings"]] == ["mass"]


def test_a_broken_file_does_not_stop_the_others(
    folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ["broken.png", "nowhere.png", "scans/1.png"]
    assert main(["explain", *paths, "--checkpoint", checkpoint, "--out", "out"]) == 1
    errors = {Path(entry["path"]).name: entry["error"] for entry in results()["images"]}
    assert errors["1.png"] is None
    assert "broken.png" in errors["broken.png"]
    assert "nowhere.png" in errors["nowhere.png"]
    captured = capsys.readouterr()
    assert captured.err.count("pylon-zoo: error:") == 2
    assert "Explained 1 of 3 images" in captured.out
    assert "Traceback" not in captured.err


def test_options_reach_the_results(folder: Path, checkpoint: str) -> None:
    words = ["--labels", "effusion, nodule", "--save-heatmaps", "npz", "--scaling", "image", "--threshold", "0.25"]
    words += ["--views", "turns"]
    assert main(["explain", "scans/1.png", "--checkpoint", checkpoint, "--out", "out", *words]) == 0
    (entry,) = results()["images"]
    assert {finding["label"] for finding in entry["findings"]} == {"effusion", "nodule"}
    with np.load("out/heatmaps/1.npz") as saved:
        assert saved["labels"].tolist() == ["effusion", "nodule"]
    html = Path("out/report.html").read_text(encoding="utf-8")
    assert "its maximum" in html
    assert results()["model"].endswith(", views: turns")
    assert "<dd>0.25 (as asked for)</dd>" in html


def test_it_says_what_counts_as_found(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = build_model("pylon_test_resnet", 3, in_chans=1, label_names=("nodule", "mass", "effusion"))
    for own, words, said in (
        (None, [], "0.5 (the model has none of its own)"),
        ((0.2, 0.4, 0.3), [], "0.2 to 0.4 by class (the model's own)"),
        ((0.2, 0.4, 0.3), ["--threshold", "0.6"], "0.6 (as asked for)"),
    ):
        model.thresholds = own
        place = str(save_checkpoint(model, tmp_path / "own"))
        assert main(["explain", "scans/1.png", "--checkpoint", place, "--out", "out", *words]) == 0
        assert f"Found means a probability of at least {said}." in capsys.readouterr().out
    assert results()["thresholds"]["source"] == "asked"


def test_quiet_says_nothing(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "scans/1.png", "--checkpoint", checkpoint, "--out", "out", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "nodul"], "Did you mean 'nodule'"),
        (["--labels", ","], "No label"),
        (["--top", "0"], "--top"),
        (["--threshold", "2"], "threshold=2"),
        (["--scaling", "log"], "--scaling"),
        (["--save-heatmaps", "csv"], "--save-heatmaps"),
        (["--format", "dcm"], "--format"),
        (["--device", "quantum"], "--device quantum"),
        (["--batch-size", "-1"], "--batch-size"),
        (["--out", "broken.png"], "broken.png' is a file"),
    ],
)
def test_usage_errors(
    words: list[str], message: str, folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["explain", "scans/1.png", "--checkpoint", checkpoint, "--out", "out", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_random_weights_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "scans", "--model", "pylon_resnet18", "--out", "out"]) == 2
    assert "random weights explain nothing" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("path", ["*.gif", "empty"])
def test_no_image_at_all_is_an_error(
    path: str, folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert main(["explain", path, "--checkpoint", checkpoint, "--out", "out"]) == 1
    assert path in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "words", [["--method", "grad_cam"], ["--method", "layer-cam", "--relu", "--layer", "features"]]
)
def test_a_method_replaces_the_models_own_heatmaps(
    words: list[str], folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "scans/1.png", "--checkpoint", checkpoint, "--save-heatmaps", "npz"]
    assert main([*arguments, "--out", "own"]) == 0
    assert main([*arguments, "--out", "out", *words]) == 0
    assert results()["model"] == f"{checkpoint}, {words[1]}"
    own, other = results("own")["images"][0], results()["images"][0]
    assert [f["probability"] for f in own["findings"]] == pytest.approx([f["probability"] for f in other["findings"]])
    with np.load("own/heatmaps/1.npz") as before, np.load("out/heatmaps/1.npz") as after:
        assert before["heatmaps"].shape == after["heatmaps"].shape
        assert not np.allclose(before["heatmaps"], after["heatmaps"])
    assert "its maximum" in Path("out/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "gradcam"], "Did you mean 'grad_cam'"),
        (["--method", "grad_cam", "--layer", "feature"], "Did you mean 'features'"),
        (["--method", "refine_cam"], "needs at least 2"),
        (["--layer", "features"], "name one with --method"),
        (["--relu"], "name one with --method"),
    ],
)
def test_mistakes_with_methods(
    words: list[str], message: str, folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "scans/1.png", "--checkpoint", checkpoint, "--out", "out", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_without_images_it_takes_a_runs_or_says_so(
    folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--checkpoint", checkpoint]) == 2
    assert "only --checkpoint RUN" in capsys.readouterr().err
    assert main(["explain", "scans", "--checkpoint", checkpoint]) == 2
    assert "--out DIR" in capsys.readouterr().err
    assert not Path("out").exists()


def test_dicom_objects_of_dicom_files(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom-out]")
    write_radiograph(folder / "a.dcm")
    paths = ["a.dcm", "scans/1.png"]
    words = ["--format", "dicom", "--top", "1", "--threshold", "0.1"]
    assert main(["explain", *paths, "--checkpoint", checkpoint, "--out", "out", *words]) == 1
    one, other = results()["images"]
    label = one["findings"][0]["label"]
    names = [f"map_1_{label}", "segmentation", f"capture_1_{label}", "report"]
    assert one["dicom"] == [f"dicom/a/{name}.dcm" for name in names]
    assert all(Path("out", file).is_file() for file in one["dicom"])
    assert "1.png' is no DICOM file" in other["error"]
    assert other["findings"] == []
    captured = capsys.readouterr()
    assert captured.err.count("pylon-zoo: error:") == 1
    assert "DICOM objects are in out/dicom" in captured.out


def test_dicom_objects_need_what_writes_them(
    folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    words = ["explain", "scans", "--checkpoint", checkpoint, "--out", "out", "--format", "dicom"]
    assert main(words) == 2
    assert 'pip install "pylon-zoo[dicom-out]"' in capsys.readouterr().err
    assert not Path("out").exists()
