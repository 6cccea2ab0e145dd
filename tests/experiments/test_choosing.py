"""The run that validated best is chosen, and the reason is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pylon_zoo.experiments.choosing import choose, chosen


@pytest.fixture
def finished(tmp_path: Path):
    """Makes run folders of these validation losses."""

    def make(*losses: float | None) -> dict[int, Path]:
        runs = {seed: tmp_path / f"seed-{seed}" for seed in range(len(losses))}
        for loss, run in zip(losses, runs.values(), strict=True):
            (run / "log").mkdir(parents=True)
            summary = {"val_loss": loss, "val_auroc": 0.8, "best_epoch": 3, "seconds": 1.0}
            (run / "log" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        return runs

    return make


def test_the_lowest_validation_loss(finished, tmp_path: Path) -> None:
    runs = finished(0.3, 0.1, 0.2)
    why = choose(runs, tmp_path / "chosen.json")
    assert why == "seed 1 has the lowest validation loss, 0.1000, beside 0.3000 of seed 0, 0.2000 of seed 2"
    choice = chosen(tmp_path / "chosen.json")
    assert (choice["seed"], choice["run"], choice["why"]) == (1, str(runs[1]), why)
    assert [line["val_loss"] for line in choice["runs"]] == [0.3, 0.1, 0.2]
    assert "seconds" not in choice["runs"][0]


def test_a_run_without_a_loss_comes_last(finished, tmp_path: Path) -> None:
    assert choose(finished(None, 0.5), tmp_path / "chosen.json").startswith("seed 1 has")


def test_one_run_is_no_choice(finished, tmp_path: Path) -> None:
    assert choose(finished(0.5), tmp_path / "chosen.json") == "seed 0 is the only run"


def test_nothing_is_chosen_before(tmp_path: Path) -> None:
    assert chosen(tmp_path / "chosen.json") is None
