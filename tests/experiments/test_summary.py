"""Means and intervals over seeds, beside the paper's figures."""

from __future__ import annotations

import csv
import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from pylon_zoo.experiments.grid import list_grids, load_grid
from pylon_zoo.experiments.results import read_rows
from pylon_zoo.experiments.summary import difference, markdown, summarize, write_summary

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "experiments.md"
GRID = load_grid("table1")


def line(row, seed, point, nodule="", auroc=0.8):
    figures = {"auroc": str(auroc), "point_accuracy": str(point), "point_accuracy_weighted": str(point)}
    return {"row": row, "seed": str(seed), **figures, "point_accuracy:Nodule": nodule, "point_accuracy:Hernia": ""}


def test_the_interval_is_scipys_over_the_runs():
    values = [0.58, 0.61, 0.60, 0.63, 0.59]
    cell = summarize(GRID, [line("PYLON", seed, value) for seed, value in enumerate(values)]).cells["PYLON"]["macro"]
    low, high = stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=stats.sem(values))
    assert (cell.low, cell.high, cell.runs) == (pytest.approx(low), pytest.approx(high), 5)
    assert cell.text() == "0.60 ± 0.02 (paper 0.60)"


def test_one_run_has_no_interval_and_a_class_without_boxes_no_column():
    summary = summarize(GRID, [line("PYLON", 0, 0.5, nodule="0.25")])
    assert summary.classes == ("Nodule",)
    assert summary.cells["PYLON"]["Nodule"].text() == "0.25 (paper 0.48)"
    assert summary.cells["PYLON"]["auroc"].text() == "0.80"


def test_runs_without_heatmaps_are_counted():
    lines = markdown(summarize(GRID, [line("PYLON", seed, "") for seed in range(2)])).splitlines()
    assert lines[2].startswith("| PYLON | – | – | 0.80 ± 0.00 |")
    assert lines[2].endswith("| 2 |")


def test_a_grids_other_metrics_have_columns_of_their_own():
    grid = replace(GRID, metrics=("energy", "pxap"))
    lines = [{**line("PYLON", seed, 0.5), "energy:macro": str(0.2 + seed / 10), "pxap:macro": ""} for seed in range(2)]
    table = markdown(summarize(grid, lines)).splitlines()
    assert table[0] == "|  | point accuracy, macro | weighted | macro AUROC | energy | pxap | runs |"
    assert table[2].startswith("| PYLON | 0.50 ± 0.00 (paper 0.60) |")
    assert table[2].endswith("| 0.80 ± 0.00 | 0.25 ± 0.64 | – | 2 |")


def test_differences_are_of_runs_that_were_made_alike():
    def run(row, seed, point, device="cpu", changed=""):
        return {**line(row, seed, point), "device": device, "command": f"pylon-zoo reproduce x --rows {row}{changed}"}

    rows = [
        run("a", 0, 0.5),
        run("b", 0, 0.4),
        run("a", 0, 0.9, device="cuda:1"),
        run("b", 0, 0.6, device="cuda"),
        run("a", 0, 0.7, changed=" --set loop.precision=no"),
        run("b", 0, 0.2, changed=" --set loop.precision=no"),
        run("a", 1, 0.1),  # b has no such run
        run("c", 0, 0.3),
    ]
    found = difference(rows, "a", "b")
    low, high = stats.t.interval(0.95, 2, loc=0.3, scale=stats.sem([0.1, 0.3, 0.5]))
    assert (found.mean, found.low, found.high) == pytest.approx((0.3, low, high))
    assert found.runs == 3
    assert (difference(rows, "a", "d").runs, difference(rows, "c", "b").runs) == (0, 1)


def test_rows_stand_in_the_tables_order_and_those_without_runs_are_left_out():
    summary = summarize(GRID, [line("PYLON", 0, 0.5), line("Baseline", 0, 0.4), line("not in the table", 0, 0.1)])
    assert list(summary.cells) == ["Baseline", "PYLON"]
    assert summarize(GRID, []).cells == {}


def test_the_table_is_written_as_markdown_and_csv(tmp_path):
    summary = summarize(GRID, [line("PYLON", seed, 0.5 + seed / 10, nodule="0.25") for seed in (0, 1)])
    table, text = write_summary(summary, tmp_path / "table1.csv")
    with table.open(newline="", encoding="utf-8") as file:
        rows = {(row["row"], row["figure"]): row for row in csv.DictReader(file)}
    assert rows["PYLON", "macro"]["mean"] == "0.5500"
    assert (rows["PYLON", "Nodule"]["paper"], rows["PYLON", "auroc"]["paper"]) == ("0.48", "")
    assert markdown(summary) in text.read_text(encoding="utf-8")
    assert "| PYLON | 0.55 ± 0.64 (paper 0.60) |" in text.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in list_grids() if (RESULTS / f"{name}.csv").exists()])
def test_the_page_shows_what_was_measured(name):
    rows = read_rows(RESULTS / f"{name}.csv")
    grid = load_grid(name)
    assert {row["row"] for row in rows} <= {row.name for row in grid.rows}
    assert markdown(summarize(grid, rows)) in PAGE.read_text(encoding="utf-8"), "run benchmarks/experiment_tables.py"


def test_the_page_shows_the_differences_and_the_picture_of_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tables, plot = importlib.import_module("experiment_tables"), importlib.import_module("phantom_plot")
    page = PAGE.read_text(encoding="utf-8")
    for name in (name for name in tables.PAIRS if (RESULTS / f"{name}.csv").exists()):
        assert tables.differences(name) in page, "run benchmarks/experiment_tables.py"
    assert plot.OUT.read_text(encoding="utf-8") == plot.picture(), "run benchmarks/phantom_plot.py"
