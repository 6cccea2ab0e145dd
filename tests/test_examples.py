"""Each example runs as a user would run it, in a process of its own, offline."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from quick import slow_but

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ARGUMENTS = {
    "draw_plates.py": ["--images", "4", "2", "2"],
    "explain_an_image.py": ["--out", "overlay.png"],
    "heatmap_gallery.py": ["--labels", "Nodule", "--out", "gallery.png"],
    "onnx_without_torch.py": ["model.onnx", "chest.png", "--out", "overlay.png"],
    "phantom_sheet.py": ["--rows", "1", "--columns", "2", "--out", "sheet.png"],
    "score_cam.py": ["--out", "score_cam.png"],
    "timm_training_script.py": ["--model", "pylon_test_resnet", "--images", "32", "--size", "64", "--out", "heat.png"],
    "train_from_labels.py": ["--images", "32"],
    "train_masks_with_smp_loss.py": ["--images", "32", "--epochs", "1"],
    "write_shards.py": ["--images", "12", "--splits", "train", "val", "--per-shard", "8", "--out", "shards"],
}
ELSEWHERE = {"predict_on_ray.py"}
"""Run where a cluster has been started: `tests/deployment/prediction/test_batch_predictor.py`."""
QUICK = {"explain_an_image.py"}
# Example → what makes its input.
INPUTS = {
    "onnx_without_torch.py": (
        "import pylon_zoo as pz; from PIL import Image; from pylon_zoo.data.phantom import render\n"
        "from pylon_zoo.deployment.exporting import export\n"
        "export(pz.create_model('pylon_resnet18.phantom_cxr'), 'model.onnx', size=192)\n"
        "Image.fromarray(render(0, 0, 256).image).save('chest.png')"
    ),
}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*ARGUMENTS, *ELSEWHERE}


@pytest.mark.parametrize("name", slow_but(QUICK, sorted(ARGUMENTS)))
def test_example_runs(name, tmp_path):
    if name in INPUTS:
        subprocess.run([sys.executable, "-c", INPUTS[name]], cwd=tmp_path, check=True, timeout=300)
    command = [sys.executable, str(EXAMPLES / name), *ARGUMENTS[name]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    expected = [value for option, value in pairwise(ARGUMENTS[name]) if option == "--out"]
    assert all((tmp_path / picture).stat().st_size > 1000 for picture in expected)
    assert done.stdout or expected


@pytest.mark.slow
def test_the_timm_script_is_one_for_any_timm_model(tmp_path):
    options = ["--model", "test_resnet", "--images", "32", "--epochs", "1", "--size", "64"]
    command = [sys.executable, str(EXAMPLES / "timm_training_script.py"), *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("epoch 1: loss ")
    assert not list(tmp_path.iterdir())
