"""Benchmarks say what they are for without running, and the tables in the pages are those of their CSV files."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*.py") if '"__main__"' in path.read_text(encoding="utf-8"))
WITH_TABLES = (
    "attribution_speed",
    "augmenting",
    "import_time",
    "inference_speed",
    "large",
    "localization_speed",
    "reading",
    "region_finding",
    "release_scale",
    "scaling",
    "side_by_side",
    "training_speed",
)
ON_A_GPU = ("attribution_speed", "augmenting", "inference_speed", "scaling", "training_speed")


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script by name, beside which it finds its helpers, and forgets them afterwards."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_says_what_it_is_for(script, benchmark, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(script), run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize(
    ("name", "device"), [*((name, "cpu") for name in WITH_TABLES), *((n, "cuda") for n in ON_A_GPU)]
)
def test_the_page_has_the_table_of_the_results(name, device, benchmark):
    script, tables = benchmark(name), benchmark("tables")
    shown = tables.read_between_marks(tables.PAGE, tables.command_for(name, device))
    results = tables.results_file(name, device)
    assert shown == (script.report(tables.read_csv(results)).strip() if results.exists() else "")


@pytest.mark.parametrize("name", ["alignment_speed", "app_latency", "cell_grids"])
def test_the_page_of_a_script_has_the_tables_of_the_results(name, benchmark):
    script, tables = benchmark(name), benchmark("tables")
    shown = tables.read_between_marks(script.PAGE, tables.command_for(name))
    results = tables.results_file(name)
    assert shown == (script.report(tables.read_csv(results)).strip() if results.exists() else "")


def test_the_page_on_cells_has_the_picture_that_the_script_draws(benchmark):
    script = benchmark("cell_pictures")
    assert (script.DOCS / "images" / "cells.svg").read_text(encoding="utf-8") == script.strips()


def test_the_page_on_cost_has_the_tables_of_the_results(benchmark):
    script, tables = benchmark("cost"), benchmark("tables")
    rows = tables.read_csv(tables.results_file("cost"))
    assert tables.read_between_marks(script.PAGE, tables.command_for("cost")) == script.report(rows).strip()
    lines = {line["weights"]: line for line in script.costs(rows)}
    nih = lines["pylon_resnet50.nih_cxr14"]
    assert nih["hours"] == pytest.approx((75_690 + 10_834 / 3) * 40 / nih["rate"] / 3600)
    assert nih["price"] == pytest.approx(nih["hours"] * rows[0]["price"])
    assert lines["pylon_resnet50.nih_cxr14_512"]["hours"] == pytest.approx(4 * nih["hours"], rel=0.1)
    assert lines["pylon_resnet50.vindr_cxr_two_phase"]["epochs"] == 2 * lines["pylon_resnet50.vindr_cxr"]["epochs"]


def test_the_page_on_export_has_the_table_of_the_results(benchmark):
    script, tables = benchmark("backends"), benchmark("tables")
    shown = tables.read_between_marks(script.PAGE, f"{tables.command_for(script.NAME)} --data {script.DATA}")
    rows = tables.read_csv(tables.results_file(script.NAME))
    assert shown == script.report(rows).strip()
    assert not script.losses(rows)


def test_the_readme_has_the_table_of_the_results(benchmark):
    script, tables = benchmark("run_all"), benchmark("tables")
    sources = {name: tables.RESULTS_FOLDER / f"{name}.csv" for name in script.SOURCES}
    shown = tables.read_between_marks(script.README, script.COMMAND)
    measured = all(path.exists() for path in sources.values())
    expected = script.readme({name: tables.read_csv(path) for name, path in sources.items()}) if measured else ""
    assert shown == expected.strip()


def test_a_table_is_read_back_as_it_was_written(benchmark, tmp_path):
    tables = benchmark("tables")
    rows = [{"model": "PYLON, plain", "ms": 1.5, "rounds": 7, "decoder_ms": ""}]
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- begin: it -->\n\nold\n\n<!-- end -->\n\nrest\n", encoding="utf-8")
    tables.publish(rows, lambda found: f"{found[0]['ms'] * 2:.1f} ms", tmp_path / "rows.csv", page, "it")
    assert tables.read_csv(tmp_path / "rows.csv") == rows
    assert page.read_text(encoding="utf-8") == "# Title\n\n<!-- begin: it -->\n\n3.0 ms\n\n<!-- end -->\n\nrest\n"


def test_what_needs_a_gpu_takes_ten_minutes_at_most(benchmark):
    gpu = benchmark("gpu")
    assert sum(step.seconds for step in gpu.STEPS) <= 600
    assert {step.name for step in gpu.STEPS} == {"test_gpu", *ON_A_GPU}
    for step in gpu.STEPS[1:]:
        tried, usual = (gpu.command(step, trial, Path("scratch"), Path("page.md")) for trial in (True, False))
        assert "--device cuda" in " ".join(usual)
        assert {"--csv", "--out"} <= set(tried), "a trial leaves the repository alone"
        assert not {"--csv", "--out"} & set(usual), "a GPU's figures go where the page has a place for them"


def test_a_step_on_the_gpu_that_fails_or_hangs_is_named_and_stops_none(benchmark, monkeypatch, capsys):
    gpu = benchmark("gpu")
    ran = []

    def one_fails_one_hangs(command, cwd, timeout):
        ran.append(Path(command[1]).stem)
        if ran[-1] == "scaling":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, int(ran[-1] == "training_speed"))

    monkeypatch.setattr(gpu.subprocess, "run", one_fails_one_hangs)
    assert gpu.main(["--trial"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(ran) == len(gpu.STEPS)
    assert told[-1] == "scaling: stopped after 240 s"
    assert any(line.startswith("training_speed: ") and line.endswith("exit code 1") for line in told)
