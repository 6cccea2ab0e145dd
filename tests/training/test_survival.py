"""Runs that are killed, stopped, or left without room go on as if nothing had been."""

from __future__ import annotations

import csv
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from processes import command, on_a_full_disk, start, survivor
from safetensors.torch import load_file
from systems import posix_only

from pylon_zoo.cli.main import main
from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.training.loss import DivergedError
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.run_folder import STATE, RunFolder
from pylon_zoo.training.train import train
from pylon_zoo.weights.checkpoint import load_checkpoint

RECIPE = """
[model]
architecture = "pylon_test_resnet"
[model.options.encoder_kwargs]
drop_path_rate = 0.3
[data]
name = "phantom"
size = 32
augmentation = "affine"
[data.options]
size = 32
count = 26
[optimizer]
lr = 1e-3
[schedule]
max_epochs = 4
[phases]
encoder = ["frozen", "trained"]
[loop]
batch_size = 4
save_every = 1
"""
POINTING = """
[loss]
pooling = "topk"
[consistency]
views = 0.5
swap = 0.3
"""
TIMES = ("images_per_second", "seconds")


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "survivor.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def rows(run: Path) -> list[dict[str, str]]:
    """`metrics.csv` without what a clock decides."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def assert_same(one: Path, other: Path) -> None:
    """Two runs left the same table, the same best weights, and the same last weights and optimizer."""
    assert rows(one) == rows(other)
    ours, theirs = (load_file(run / "checkpoint" / "model.safetensors") for run in (one, other))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    states = [torch.load(f"{run}.{STATE}", weights_only=True)["state"]["training"]["parts"] for run in (one, other)]
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name
    moments = [state["optimizer"]["state"] for state in states]
    for key, slots in moments[0].items():
        assert all(torch.equal(value, moments[1][key][name]) for name, value in slots.items())


def saved(run: Path) -> int:
    """When the state was last written; 0 before."""
    try:
        return (run / STATE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_for_saves(run: Path, process, count: int) -> None:
    """Until the state has been written so many times, or the process has ended."""
    seen, deadline = saved(run), time.monotonic() + 120
    while count and process.is_alive() and time.monotonic() < deadline:
        now = saved(run)
        count, seen = count - (now != seen), now
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("more", "kills"),
    [
        pytest.param("", 4, marks=pytest.mark.slow),
        pytest.param(POINTING, 2, marks=pytest.mark.slow),
        pytest.param("", 20, marks=pytest.mark.sweep),
    ],
    ids=["4", "pointing", "20"],
)
def test_killed_at_random_moments_a_run_ends_with_the_same_weights(tmp_path, recipe, more, kills):
    recipe.write_text(RECIPE.replace("max_epochs = 4", "max_epochs = 2") + more if more else RECIPE, encoding="utf-8")
    log, whole, broken = str(tmp_path / "log"), tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(survivor, str(recipe), str(whole), log)
    chance = random.Random(kills)
    for kill in range(kills):
        process = start(survivor, str(recipe), str(broken), log)
        wait_for_saves(broken, process, chance.randint(0, 3))
        time.sleep(chance.uniform(0, 0.05))
        assert process.is_alive(), f"kill {kill} came too late: {Path(log).read_text(encoding='utf-8')}"
        process.kill()
        process.join()
    last = start(survivor, str(recipe), str(broken), log)
    for process in (undisturbed, last):
        process.join()
        assert process.exitcode == 0, Path(log).read_text(encoding="utf-8")
    assert_same(whole, broken)
    assert [path.name for path in sorted(broken.iterdir())] == [
        ".lock",
        "checkpoint",
        "log",
        "metrics.csv",
        "recipe.toml",
    ]


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_with_a_sentence_and_it_can_go_on(tmp_path, recipe, number, code, capsys):
    run, log = tmp_path / "run", tmp_path / "log"
    process = start(command, ["train", str(recipe), "--out", str(run), "--device", "cpu", "--quiet"], str(log))
    wait_for_saves(run, process, 3)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == code, log.read_text(encoding="utf-8")
    assert log.read_text(encoding="utf-8").splitlines()[-1].endswith(f"Go on with: pylon-zoo train {run} --resume")
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert RunFolder(run).load_state() is not None
    assert not list(run.rglob("*.tmp")) + list(run.rglob("*.part"))

    again = ["train", str(run), "--resume", "--device", "cpu"]
    assert main([*again, "--set", "loop.seed=1"]) == 2
    assert "--set loop.seed = 1, but the run in" in capsys.readouterr().err
    assert main(again) == 0
    assert "Trained" in capsys.readouterr().out
    assert main(again) == 0
    assert "Was done already" in capsys.readouterr().out


@pytest.mark.slow
@posix_only
def test_a_full_disk_stops_a_run_and_leaves_what_was_saved(tmp_path, recipe):
    run, log = tmp_path / "run", tmp_path / "log"
    process = start(on_a_full_disk, str(recipe), str(run), str(log))
    process.join()
    assert process.exitcode == 0, log.read_text(encoding="utf-8")
    assert "cannot be written to: File too large" in log.read_text(encoding="utf-8")
    assert "make room, then go on with --resume" in log.read_text(encoding="utf-8")
    state = RunFolder(run).load_state()
    assert state["training"]["epochs"] == 1
    load_checkpoint(run)
    assert not list(run.rglob("*.tmp")) + list(run.rglob("*.part"))
    assert train(load_recipe(recipe), run, device="cpu", resume=True)["epochs"] == 8


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_names_the_batch_and_leaves_what_was_saved(tmp_path, make_recipe, spots):
    train_set = spots(count=4)

    def spoil(epoch) -> None:
        train_set.broken = 2

    with pytest.raises(DivergedError, match=r"nan in epoch 2, step 1, whose images are") as caught:
        train(make_recipe(), tmp_path, device="cpu", datasets=(train_set, spots("val")), report=spoil)
    assert all(f"'train/{index}.png'" in str(caught.value) for index in range(4))
    assert RunFolder(tmp_path).load_state()["training"]["epochs"] == 1
    load_checkpoint(tmp_path)
    train_set.broken = None
    assert train(make_recipe(), tmp_path, device="cpu", datasets=(train_set, spots("val")), resume=True)["epochs"] == 2


@pytest.mark.slow
def test_a_second_process_on_a_folder_is_refused(tmp_path, recipe):
    run = tmp_path / "run"
    process = start(survivor, str(recipe), str(run), str(tmp_path / "log"))
    wait_for_saves(run, process, 1)
    for how in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(ConfigError, match=rf"written by another process \(process {process.pid}\)"):
            train(load_recipe(recipe), run, device="cpu", **how)
    process.kill()
    process.join()
    train(load_recipe(recipe, ["schedule.max_epochs=1"]), run, device="cpu", overwrite=True)


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_recipe_and_data_only(tmp_path, make_recipe, spots, monkeypatch):
    sets = (spots(count=4), spots("val", count=4))
    options = {"device": "cpu", "datasets": sets}
    monkeypatch.setattr(RunFolder, "finish", lambda run, summary: None)
    train(make_recipe(), tmp_path, **options)
    with pytest.raises(ConfigError, match=r"optimizer\.lr = 0\.5, but the run in .* was started with 0\.003"):
        train(make_recipe(optimizer={"lr": 0.5}), tmp_path, **options, resume=True)
    with pytest.raises(DataError, match=r"not those that the run .* was started with"):
        train(make_recipe(), tmp_path, device="cpu", datasets=(spots(count=5), sets[1]), resume=True)
    with pytest.raises(ConfigError, match="not both"):
        train(make_recipe(), tmp_path, **options, resume=True, overwrite=True)
    (tmp_path / STATE).write_bytes(b"PK")
    with pytest.raises(DataError, match=rf"{STATE} is damaged.*--overwrite"):
        train(make_recipe(), tmp_path, **options, resume=True)


def test_a_state_is_read_without_running_what_is_in_it(tmp_path):
    class Command:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    torch.save({"format": 1, "state": Command()}, tmp_path / STATE)
    with pytest.raises(DataError, match=rf"{STATE} is damaged"):
        RunFolder(tmp_path).load_state()
    assert not (tmp_path / "made").exists()
