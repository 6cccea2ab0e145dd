"""Each notebook is what its source makes, and runs from its first cell to its last, offline."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("jupytext")

import nbformat
from notebooks import EXAMPLES, PICTURED, SOURCES, cells_of, executed, from_source, notebook_path

LARGEST = 300_000  # bytes of all outputs together: a repository is no place for pictures
NAMES = [source.stem for source in SOURCES]


def of(name: str) -> Path:
    return next(source for source in SOURCES if source.stem == name)


def committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(notebook_path(of(name)), as_version=4)


def test_every_notebook_has_a_source() -> None:
    assert {path.stem for path in EXAMPLES.rglob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_what_its_source_makes(name: str) -> None:
    notebook = committed(name)
    nbformat.validate(notebook)
    assert cells_of(notebook) == cells_of(from_source(of(name))), "run: python tests/support/notebooks.py"


@pytest.mark.parametrize("name", NAMES)
def test_only_pictured_notebooks_have_outputs(name: str) -> None:
    outputs = [output for cell in committed(name).cells for output in cell.get("outputs", [])]
    assert bool(outputs) == (name in PICTURED)
    assert len(nbformat.writes(committed(name))) < LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook = executed(from_source(of(name)), tmp_path)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(ran) > 3
    assert all(cell.execution_count for cell in ran)
    said = "".join(output.get("text", "") for cell in ran for output in cell.outputs)
    assert "Traceback" not in said
