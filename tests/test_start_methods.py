"""Processes that are started anew rather than forked, as on Windows, on macOS and everywhere from Python 3.14 on."""

from __future__ import annotations

import csv
import multiprocessing
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
from own_images import CLASSES, write_coco
from torch.utils.data import DataLoader

from pylon_zoo.cli.main import main
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint

RECIPE = """
[model]
architecture = "pylon_test_resnet"
[data]
name = "phantom"
size = 32
augmentation = "xray"
[data.options]
size = 32
count = 8
[schedule]
max_epochs = 2
[loop]
batch_size = 4
"""
RUN, IMAGES, OUT = "{folder}/run", "coco:{folder}/images", "{folder}/out"
MODEL = ["--checkpoint", "{folder}/model"]
COMMANDS = {
    "train by a recipe": ["train", "{folder}/recipe.toml", "--out", RUN],
    "train without one": ["train", "--data", IMAGES, "--model", "pylon_test_resnet", "--size", "32", "--out", RUN],
    "evaluate": ["evaluate", "--data", IMAGES, "--split", "val", *MODEL, "--out", OUT],
    "predict": ["predict", "--input", "{folder}/images", *MODEL, "--out", "{folder}/out.parquet"],
    "data check": ["data", "check", IMAGES],
    "data prepare": ["data", "prepare", IMAGES, "--out", OUT],
}
QUICK = {"train without one": ["--set", "schedule.max_epochs=1"]}
ANYWHERE = ("data check", "data prepare")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    write_coco(tmp_path / "images")
    save_checkpoint(build_model("pylon_test_resnet", 2, in_chans=1, label_names=CLASSES), tmp_path / "model")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_hands_to_its_loading_processes_can_travel(folder, command, monkeypatch):
    original, travelled = DataLoader.__init__, []

    def here(self, *args, num_workers=0, prefetch_factor=None, persistent_workers=False, **options) -> None:
        """Pickled as for `num_workers` processes, but loading in this one, which takes less long."""
        if num_workers:
            travellers = args[0], options.get("collate_fn"), options.get("worker_init_fn")
            travelled.append(ForkingPickler.loads(ForkingPickler.dumps(travellers)))
        original(self, *args, **options)

    monkeypatch.setattr(DataLoader, "__init__", here)
    words = [word.format(folder=folder) for word in COMMANDS[command]]
    device = [] if command in ANYWHERE else ["--device", "cpu"]
    assert main([*words, "--workers", "2", "--quiet", *device, *QUICK.get(command, [])]) == 0
    assert travelled


@pytest.mark.slow
def test_a_run_with_loading_processes_that_are_started_anew_is_the_same(folder):
    def rows(run: str, workers: str) -> list[list[str]]:
        words = ["train", str(folder / "recipe.toml"), "--out", str(folder / run), "--workers", workers]
        assert main([*words, "--device", "cpu", "--quiet", "--no-report"]) == 0
        with (folder / run / "metrics.csv").open(newline="", encoding="utf-8") as file:
            return [row[:8] for row in csv.reader(file)]  # without what a clock decides

    alone, before = rows("alone", "0"), multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        assert rows("spawned", "1") == alone
    finally:
        multiprocessing.set_start_method(before, force=True)
