"""`pylon-zoo reproduce`: the list, the table, and what is refused."""

from __future__ import annotations

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.data import drawn
from pylon_zoo.experiments import grid as grids

TINY = """
title = "Two rows"
data = "phantom"

[[rows]]
name = "CAM"
recipe = "phantom_encoder"
settings = [SETTINGS]

[[rows]]
name = "CAM, Grad-CAM"
recipe = "phantom_encoder"
settings = [SETTINGS]
method = "grad_cam"
""".replace(
    "SETTINGS",
    '"data.size=32", "data.train.count=16", "data.val.count=8", "schedule.max_epochs=1", "loop.precision=no"',
)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A table named `tiny`, and an output folder."""
    folder = tmp_path / "grids"
    folder.mkdir()
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    monkeypatch.setattr(grids, "GRID_FOLDER", folder)
    monkeypatch.setitem(drawn.COUNTS, "test", 16)
    return tmp_path / "out"


def test_without_a_table_they_are_listed(capsys):
    assert main(["reproduce"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == grids.list_grids()
    assert any("NIH ChestX-ray14, 512 px" in line for line in lines)


def test_a_table_is_filled_and_printed(tiny, capsys):
    command = ["reproduce", "tiny", "--seeds", "2", "--out", str(tiny), "--device", "cpu"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "| CAM, Grad-CAM |" in said
    assert said.count("training ") == 2, "two seeds, and both rows share their runs"
    assert {path.name for path in tiny.iterdir()} >= {"tiny.csv", "tiny-table.csv", "tiny-table.md"}
    assert main(command) == 0
    assert "training" not in capsys.readouterr().out


@pytest.mark.slow
def test_options_of_the_dataset_reach_training_and_evaluation(tiny, capsys):
    command = ["reproduce", "tiny", "--seeds", "1", "--out", str(tiny), "--device", "cpu", "--data-option", "seed=5"]
    assert main(command) == 0
    assert all(path.name.endswith("data.options.seed=5") for path in tiny.iterdir() if path.is_dir())
    lines = (tiny / "tiny.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert all("--data-option seed=5" in line and "--set" not in line for line in lines)


@pytest.mark.slow
def test_several_runs_at_a_time_with_a_setting_changed(tiny, capsys, monkeypatch):
    # The processes draw what they are judged on in full, so here the smaller validation split.
    file = grids.GRID_FOLDER / "tiny.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('data = "phantom"', 'data = "phantom"\nsplit = "val"'),
        encoding="utf-8",
    )
    words = ["reproduce", "tiny", "--seeds", "2", "--jobs", "2", "--set", "optimizer.lr=1e-4", "--out", str(tiny)]
    assert main([*words, "--device", "cpu"]) == 0
    lines = (tiny / "tiny.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert all("optimizer.lr=1e-4" in line and "--set optimizer.lr=1e-4" in line for line in lines[1:])
    assert capsys.readouterr().out.count("AUROC") == 5  # a line each, and the table's head


def test_where_every_row_fails_it_says_why_and_writes_no_table(tmp_path, capsys):
    assert main(["reproduce", "table1", "--rows", "PYLON", "--seeds", "1", "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert "PYLON, seed 0: The dataset 'nih_cxr14' needs its folder" in captured.out
    assert captured.err == ""
    assert not (tmp_path / "out").exists()


def test_quiet_still_says_what_failed(tmp_path, capsys):
    words = ["reproduce", "table1", "--rows", "PYLON", "--seeds", "1", "--quiet", "--out", str(tmp_path)]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("PYLON, seed 0")) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinny"], "Did you mean 'tiny'"),
        (["tiny", "--rows", "PYLON"], "No row of tiny matches 'PYLON'"),
        (["tiny", "--start", "run"], "--start 'run' is not of the form RECIPE=CHECKPOINT"),
        (["tiny", "--data", "nih:"], "nih"),
        (["tiny", "--data", "nih-cxr14"], "needs its folder"),
        (["tiny", "--data", "cluttered:/x"], "Unknown dataset"),
    ],
)
def test_what_means_nothing_is_refused(tiny, capsys, arguments, message):
    assert main(["reproduce", *arguments, "--out", str(tiny)]) == 2
    assert message in capsys.readouterr().err
    assert not tiny.exists()
