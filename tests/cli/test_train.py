"""`pylon-zoo train` from the command line to the run folder."""

from __future__ import annotations

import json
import math

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.cli.train import epoch_line
from pylon_zoo.training.loop import Epoch, Validation
from pylon_zoo.training.recipe_files import load_recipe

QUICK = """
[model]
architecture = "pylon_test_resnet"
[data]
name = "phantom"
size = 32
augmentation = "none"
[data.options]
size = 32
count = 16
[schedule]
name = "cosine"
max_epochs = 3
"""


def test_a_run(tmp_path, capsys):
    (tmp_path / "quick.toml").write_text(QUICK, encoding="utf-8")
    out = tmp_path / "run"
    command = ["train", str(tmp_path / "quick.toml"), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--set", "schedule.max_epochs=2", "--batch-size", "4", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("epoch 1/2  lr ")
    assert "Checkpoint:" in lines[-2]
    assert lines[-1] == f"Open {out}/report.html"
    assert "<svg" in (out / "report.html").read_text(encoding="utf-8")
    recipe = load_recipe(out / "recipe.toml")
    assert (recipe.loop.batch_size, recipe.loop.seed, recipe.schedule.max_epochs) == (4, 3, 2)
    assert (out / "checkpoint" / "model.safetensors").is_file()
    assert json.loads((out / "log" / "summary.json").read_text(encoding="utf-8"))["epochs"] == 2

    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--quiet", "--no-report"]) == 0
    assert capsys.readouterr().out == ""
    assert not (out / "report.html").exists()
    assert json.loads((out / "log" / "summary.json").read_text(encoding="utf-8"))["epochs"] == 3


@pytest.mark.slow
def test_options_of_the_dataset_are_written_down(tmp_path):
    (tmp_path / "quick.toml").write_text(QUICK, encoding="utf-8")
    command = ["train", str(tmp_path / "quick.toml"), "--out", str(tmp_path / "run"), "--device", "cpu", "--quiet"]
    assert main([*command, "--data-option", "count=8", "--data-option", "seed=2", "--set", "data.options.seed=3"]) == 0
    assert load_recipe(tmp_path / "run" / "recipe.toml").data.options == {"size": 32, "count": 8, "seed": 3}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["phantom_cxr_pilon"], 2, "'phantom_cxr_pylon'"),
        (["phantom_cxr_pylon", "--data-option", "count"], 2, "--data-option 'count' is not of the form key=value"),
        (["phantom_cxr_pylon", "--data-option", "counts=1"], 2, "data.options.counts"),
        (["phantom_cxr_pylon", "--data-option", "count=1", "--data-option", "size=big"], 2, "size='big'"),
        (
            ["phantom_cxr_pylon", "--set", "optimizer.lrr=1"],
            2,
            "--set optimizer.lrr is not a setting. Did you mean 'lr'?",
        ),
        (["phantom_cxr_pylon", "--set", "optimizer.lr=fast"], 2, "--set optimizer.lr must be a number; it is 'fast'"),
        (["phantom_cxr_pylon", "--set", "optimizer.lr"], 2, "key=value"),
        (["phantom_cxr_pylon", "--data", "phantm"], 2, "'phantom'"),
        (["phantom_cxr_pylon", "--data", "nih-cxr14"], 2, "nih-cxr14:DIR"),
        (["phantom_cxr_pylon", "--data", "nih-cxr14:/nowhere"], 1, "/nowhere"),
        (["phantom_cxr_pylon", "--set", "model.architecture=pylon_resnet5O"], 2, "resnet50"),
        (["phantom_cxr_pylon", "--device", "toaster"], 2, "toaster"),
        (["phantom_cxr_pylon", "--batch-size", "0"], 2, "at least 1"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path, capsys, arguments, code, message):
    assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_an_epoch_in_one_line():
    best = Epoch(3, 1e-4, 0.25, 40.4, 3.0, Validation(0.3, 0.75, math.nan), True)
    line = epoch_line(best, 40)
    assert line == "epoch  3/40  lr 1.0e-04  loss 0.2500  val loss 0.3000  AUROC 0.750  point acc. nan  40 images/s  *"
    assert epoch_line(Epoch(4, 1e-4, 0.25, 40.4, 3.0, None, False), 40).endswith("loss 0.2500  40 images/s")
