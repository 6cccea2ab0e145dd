"""Means and intervals over seeds, beside the paper's figures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipy import stats

from pylon_zoo.experiments.grid import list_grids, load_grid
from pylon_zoo.experiments.results import read_rows
from pylon_zoo.experiments.summary import markdown, summarize, write_summary

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


def test_rows_stand_in_the_tables_order_and_those_without_runs_are_left_out():
    summary = summarize(GRID, [line("PYLON", 0, 0.5), line("Baseline", 0, 0.4), line("not in the table", 0, 0.1)])
    assert list(summary.cells) == ["Baseline", "PYLON"]
    assert summarize(GRID, []).cells == {}


def test_the_table_is_written_as_markdown_and_csv(tmp_path):
    summary = summarize(GRID, [line("PYLON", seed, 0.5 + seed / 10, nodule="0.25") for seed in (0, 1)])
    table, text = write_summary(summary, tmp_path / "table1.csv")
    with table.open(newline="") as file:
        rows = {(row["row"], row["figure"]): row for row in csv.DictReader(file)}
    assert rows["PYLON", "macro"]["mean"] == "0.5500"
    assert (rows["PYLON", "Nodule"]["paper"], rows["PYLON", "auroc"]["paper"]) == ("0.48", "")
    assert markdown(summary) in text.read_text()
    assert "| PYLON | 0.55 ± 0.64 (paper 0.60) |" in text.read_text()


@pytest.mark.parametrize("name", [name for name in list_grids() if (RESULTS / f"{name}.csv").exists()])
def test_the_page_shows_what_was_measured(name):
    rows = read_rows(RESULTS / f"{name}.csv")
    grid = load_grid(name)
    assert {row["row"] for row in rows} <= {row.name for row in grid.rows}
    assert markdown(summarize(grid, rows)) in PAGE.read_text(encoding="utf-8"), "run benchmarks/phantom_tables.py"
