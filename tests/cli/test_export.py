from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.cli.main import main
from pylon_zoo.deployment import exporting
from pylon_zoo.deployment.onnx_model import OnnxModel
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 2, in_chans=1, label_names=("Nodule", "Mass"))
    return str(save_checkpoint(model, tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        Image.fromarray(rng.integers(0, 256, (40, 48), dtype=np.uint8)).save(tmp_path / "scans" / f"{index}.png")
    return tmp_path


@pytest.mark.slow
def test_export_quantize_and_measure(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]):
    words = ["--out", "model.onnx", "--size", "160", "160", "--int8", "int8.onnx", "--measure", "8"]
    assert main(["export", "--checkpoint", checkpoint, *words, "--calibrate", "scans"]) == 0
    text = capsys.readouterr().out
    assert "model.onnx: differs from the model by " in text
    assert "at 160×160, batch 1 and 5" in text
    assert "On 8 phantoms, float to int8: AUROC 0." in text
    assert OnnxModel("int8.onnx").label_names == OnnxModel("model.onnx").label_names == ("Nodule", "Mass")
    assert sorted(path.name for path in folder.iterdir()) == ["int8.onnx", "model.onnx", "scans"]


def test_quiet_says_nothing(folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]):
    words = ["--format", "torchscript", "--out", "model.pt", "--size", "64", "64", "--quiet"]
    assert main(["export", "--checkpoint", checkpoint, *words]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert Path("model.pt").exists()


@pytest.mark.slow
def test_a_file_that_differs_is_not_written(
    folder: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    words = ["--format", "torchscript", "--out", "model.pt", "--size", "64", "64"]
    assert main(["export", "--checkpoint", checkpoint, *words]) == 1
    captured = capsys.readouterr()
    assert "so no file was written" in captured.err
    assert "Traceback" not in captured.err
    assert sorted(path.name for path in folder.iterdir()) == ["scans"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "onx"], 2, "Did you mean 'onnx'"),
        (["--format", "torchscript"], 2, "ends in .pt"),
        (["--format", "torchscript", "--out", "model.pt", "--int8", "int8.onnx"], 2, "--int8 is a copy"),
        (["--int8", "int8.pt"], 2, "ends in .onnx"),
        (["--int8", "model.onnx"], 2, "give two names"),
        (["--int8", "int8.onnx", "--calibrate", "phantom:none"], 2, "whole number of phantoms"),
        (["--int8", "int8.onnx", "--calibrate", "nowhere"], 1, "nowhere"),
        (["--size", "64"], 2, "--size"),
        (["--opset", "0"], 2, "--opset"),
    ],
)
def test_usage_errors(
    words: list[str], code: int, message: str, folder: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["export", "--checkpoint", checkpoint, "--out", "model.onnx", *words]) == code
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["scans"]
