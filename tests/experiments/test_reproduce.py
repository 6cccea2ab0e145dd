"""A grid is filled: what is missing is trained once, what is there is left alone, what fails does not stop the rest."""

from __future__ import annotations

import csv

import pytest

import pylon_zoo.experiments.reproduce as reproduce
from pylon_zoo.data import drawn
from pylon_zoo.errors import DataError
from pylon_zoo.experiments.grid import grid_from_table
from pylon_zoo.experiments.reproduce import Laboratory, run_name
from pylon_zoo.experiments.results import read_rows

TINY = [
    "data.size=32",
    "data.train.count=16",
    "data.val.count=8",
    "schedule.max_epochs=1",
    "loop.precision=no",
    "model.options.encoder_kwargs.channels=[4, 4, 8, 8]",
]


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setitem(drawn.COUNTS, "test", 24)


@pytest.fixture
def grid():
    rows = [
        {"name": "CAM", "recipe": "phantom_encoder", "settings": TINY},
        {"name": "CAM, Grad-CAM", "recipe": "phantom_encoder", "settings": TINY, "method": "grad_cam"},
        {"name": "PYLON", "recipe": "phantom_pylon", "settings": TINY, "start": "phantom_encoder"},
    ]
    return grid_from_table("tiny", {"title": "Tiny", "data": "phantom", "rows": rows})


@pytest.fixture
def laboratory(grid, tmp_path):
    def make(**options):
        said = []
        made = Laboratory(grid, tmp_path / "runs", tmp_path / "tiny.csv", device="cpu", say=said.append, **options)
        made.said = said
        return made

    return make


@pytest.fixture
def start(laboratory, grid):
    """A run to start from, with the same narrow encoder."""
    return str(laboratory().trained("phantom_encoder", TINY, 0)[1])


@pytest.mark.slow
def test_a_grid_is_filled_and_filled_once(laboratory, grid, start):
    first = laboratory(starts={"phantom_encoder": start})
    assert first.fill(grid.rows, [0, 1]) == []
    rows = read_rows(first.results)
    assert [(row["row"], row["seed"]) for row in rows] == [(r.name, str(s)) for s in (0, 1) for r in grid.rows]
    trained = [text for text in first.said if text.startswith("training")]
    assert len(trained) == 3, "seed 0 of the CAM was there, and Grad-CAM shares its runs"
    assert rows[0]["auroc"] == rows[1]["auroc"], "an attribution method changes heatmaps, not logits"
    assert rows[0]["auroc"] != rows[3]["auroc"], "seeds differ"
    assert rows[2]["images"] == "24"
    assert rows[2]["command"] == "pylon-zoo reproduce tiny --rows PYLON --first-seed 0 --seeds 1"

    again = laboratory(starts={"phantom_encoder": start})
    again.fill(grid.rows, [0, 1])
    assert (again.said, len(read_rows(first.results))) == ([], 6)


@pytest.mark.slow
def test_a_run_that_was_trained_but_not_judged_is_only_judged(laboratory, grid, start, monkeypatch):
    monkeypatch.setattr(Laboratory, "splits", pytest.fail)
    tried = laboratory()
    assert tried.fill(grid.rows[:1], [0]) == []
    assert len(read_rows(tried.results)) == 1


@pytest.mark.slow
def test_a_run_that_was_cut_short_goes_on(laboratory, grid, monkeypatch):
    expected = laboratory()
    expected.trained("phantom_encoder", [*TINY, "schedule.max_epochs=2"], 0)
    made = laboratory()
    made.folder = made.folder.parent / "cut"
    real = reproduce.train

    def cut(recipe, out, **options):
        def stop(epoch):
            raise KeyboardInterrupt

        real(recipe, out, **options, report=stop)

    monkeypatch.setattr(reproduce, "train", cut)
    with pytest.raises(KeyboardInterrupt):
        made.trained("phantom_encoder", [*TINY, "schedule.max_epochs=2"], 0)
    monkeypatch.setattr(reproduce, "train", real)
    _, run, _ = made.trained("phantom_encoder", [*TINY, "schedule.max_epochs=2"], 0)
    (twin,) = expected.folder.glob("*/seed-0")
    for file in ("checkpoint/model.safetensors", "recipe.toml"):
        assert (run / file).read_bytes() == (twin / file).read_bytes()


def test_a_run_folder_can_be_made_on_any_system():
    assert run_name("tiny", ["a.path='C:\\x y'", "data.size=1."]) == "tiny,a.path=_C_x_y,data.size=1"
    many = [f"model.options.option_{number}={'é' * number}" for number in range(40)]
    names = {run_name("tiny", settings) for settings in (many, [*many, "loop.batch_size=2"], many[::-1])}
    assert len(names) == 3
    assert all(len(name.encode()) <= 150 and name.startswith("tiny,model.options.option_") for name in names)


def test_a_run_by_other_settings_is_refused(laboratory, grid, start, monkeypatch):
    recipe = laboratory().folder / run_name("phantom_encoder", TINY) / "seed-0" / "recipe.toml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("weight_decay = 0.01", "weight_decay = 0.02"), encoding="utf-8"
    )
    failures = laboratory().fill(grid.rows[:1], [0])
    assert "weight_decay" in str(failures[0].error)


def test_what_fails_is_named_and_the_rest_is_done(laboratory, grid, monkeypatch):
    def broken(recipe, out, **options):
        raise DataError("the disk is on fire")

    monkeypatch.setattr(reproduce, "train", broken)
    tried = laboratory()
    failures = tried.fill(grid.rows, [3])
    assert [(failure.row, failure.seed) for failure in failures] == [(row.name, 3) for row in grid.rows]
    assert "PYLON, seed 3: the disk is on fire" in tried.said
    assert read_rows(tried.results) == []


def test_a_start_is_the_other_recipes_first_run(laboratory, grid, monkeypatch):
    seen = []
    monkeypatch.setattr(
        reproduce, "train", lambda recipe, out, **options: seen.append((recipe.transfer.checkpoint, out))
    )
    monkeypatch.setattr(Laboratory, "splits", lambda self, recipe: None)
    made = laboratory()
    made.trained("phantom_pylon", TINY, 4, "phantom_encoder")
    encoder = made.folder / "phantom_encoder" / "seed-0"
    assert [(checkpoint, out.parent.parent) for checkpoint, out in seen] == [
        ("", made.folder),
        (str(encoder), made.folder),
    ]
    assert seen[0][1] == encoder
    assert seen[1][1].name == "seed-4"


def test_data_is_given_by_its_name_in_any_spelling(laboratory):
    made = laboratory(data=("nih-cxr14:/x", "phantom"))
    assert made.data_for("nih_cxr14") == "nih-cxr14:/x"
    assert made.data_for("phantom_cxr") == "phantom"
    assert made.data_for("vindr_cxr") is None


@pytest.mark.slow
def test_the_figures_are_the_evaluations(laboratory, grid, start):
    from pylon_zoo.data.registry import open_dataset
    from pylon_zoo.evaluation import evaluate
    from pylon_zoo.weights.checkpoint import load_checkpoint

    made = laboratory()
    made.fill(grid.rows[:1], [0])
    expected = evaluate(load_checkpoint(start), open_dataset("phantom", "test", size=32))
    with made.results.open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert float(row["auroc"]) == pytest.approx(expected.auroc.macro, abs=1e-4)
    assert float(row["point_accuracy"]) == pytest.approx(expected.point_accuracy.macro, abs=1e-4)
    for name, value in zip(expected.classes, expected.auroc.per_class.tolist(), strict=True):
        assert row[f"auroc:{name}"] == ("" if value != value else f"{value:.4f}")


def test_settings_change_every_run_and_the_one_it_starts_from(laboratory, grid, monkeypatch):
    seen = []
    monkeypatch.setattr(reproduce, "train", lambda recipe, out, **options: seen.append((recipe, out)))
    monkeypatch.setattr(Laboratory, "splits", lambda self, recipe: None)
    made = laboratory(settings=["loop.precision=fp16", "loop.batch_size=4"])
    made.trained("phantom_pylon", TINY, 4, "phantom_encoder")
    assert [(recipe.loop.precision, recipe.loop.batch_size) for recipe, _ in seen] == [("fp16", 4)] * 2
    encoder, run = (out for _, out in seen)
    assert encoder.parent.name == "phantom_encoder,loop.precision=fp16,loop.batch_size=4"
    assert seen[1][0].transfer.checkpoint == str(encoder)
    assert run.parent.name == run_name("phantom_pylon", [*TINY, *made.settings])


@pytest.mark.slow
def test_a_line_says_which_settings_were_changed(laboratory, grid):
    made = laboratory(settings=["optimizer.lr=0.01"])
    made.fill(grid.rows[:1], [0])
    (line,) = read_rows(made.results)
    assert line["settings"] == " ".join([*TINY, "optimizer.lr=0.01"])
    assert line["command"] == "pylon-zoo reproduce tiny --rows CAM --first-seed 0 --seeds 1 --set optimizer.lr=0.01"
