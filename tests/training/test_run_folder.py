"""What a run leaves behind, and what it refuses to overwrite."""

from __future__ import annotations

import csv
import json
import math

import pytest

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.training.loop import Epoch, Validation
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.run_folder import COLUMNS, RunFolder
from pylon_zoo.weights.checkpoint import load_checkpoint


def epoch(number: int, validation: Validation | None, best: bool = False) -> Epoch:
    """An epoch with made-up numbers."""
    return Epoch(number, 1e-4, 0.25, 50.0, 3.0, validation, best)


def table(run: RunFolder) -> list[dict[str, str]]:
    """`metrics.csv` as read by someone else."""
    with (run.path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_new_run_holds_its_recipe_and_an_empty_table(tmp_path, make_recipe):
    recipe = make_recipe()
    run = RunFolder.create(tmp_path / "a" / "run", recipe)
    assert load_recipe(run.path / "recipe.toml") == recipe
    assert table(run) == []
    assert sorted(path.name for path in run.path.iterdir()) == ["log", "metrics.csv", "recipe.toml"]


def test_epochs_are_written_as_they_finish(tmp_path, make_recipe):
    run = RunFolder.create(tmp_path, make_recipe())
    epochs = [epoch(1, Validation(0.3, 0.75, math.nan), best=True), epoch(2, None)]
    run.write_metrics(epochs[:1])
    assert len(table(run)) == 1
    run.write_metrics(epochs)
    first, second = table(run)
    assert tuple(first) == COLUMNS
    assert (float(first["val_loss"]), float(first["val_auroc"]), first["val_point_accuracy"]) == (0.3, 0.75, "")
    assert (first["best"], second["best"], second["val_loss"], second["epoch"], second["phase"]) == (
        "1",
        "0",
        "",
        "2",
        "1",
    )


def test_the_checkpoint_is_replaced_and_loads_by_the_runs_own_folder(tmp_path, make_recipe):
    run = RunFolder.create(tmp_path, make_recipe())
    for names in (("a", "b"), ("c", "d")):
        run.save_best(build_model("cam_test_resnet", 2, 1, label_names=names), note={"auroc": math.nan})
    assert load_checkpoint(tmp_path).label_names == ("c", "d")
    config = json.loads((run.checkpoint / "config.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert config["note"] == {"auroc": None}
    assert sorted(path.name for path in run.checkpoint.iterdir()) == ["config.json", "model.safetensors"]


def test_the_summary_is_strict_json(tmp_path, make_recipe):
    run = RunFolder.create(tmp_path, make_recipe())
    run.save_state({"step": 3})
    assert run.summary() is None
    run.finish({"auroc": math.nan, "seed": 3, "versions": {"torch": "2"}})
    summary = json.loads((tmp_path / "log" / "summary.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert run.summary() == summary == {"auroc": None, "seed": 3, "versions": {"torch": "2"}}
    assert run.load_state() is None, "a run that is done needs none"


def test_another_run_is_not_overwritten_unless_asked(tmp_path, make_recipe):
    run = RunFolder.create(tmp_path, make_recipe())
    run.write_metrics([epoch(1, None)])
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"already holds a run \(log, metrics\.csv, recipe\.toml\).*--overwrite"):
        RunFolder.create(tmp_path, make_recipe())
    assert len(table(run)) == 1
    RunFolder.create(tmp_path, make_recipe(loop={"seed": 5}), overwrite=True)
    assert load_recipe(tmp_path / "recipe.toml").loop.seed == 5
    assert table(run) == []
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_file_is_no_run_folder(tmp_path, make_recipe):
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--out .* cannot be a folder: .*file is a file"):
            RunFolder.create(path, make_recipe())
