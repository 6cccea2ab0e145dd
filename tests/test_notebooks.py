"""Each notebook is what its source makes, and runs from its first cell to its last, offline."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("jupytext")

import nbformat
import torch
from loopback_hub import TOKEN, LoopbackHub
from nbclient.exceptions import CellExecutionError
from notebooks import EXAMPLES, PICTURED, SOURCES, cells_of, executed, from_source, notebook_path

import pylon_zoo as pz

LARGEST = 300_000  # bytes of all outputs together: a repository is no place for pictures
NAMES = [source.stem for source in SOURCES]
REPO = "your-name/pylon_resnet18-phantoms"


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
    assert not [output for output in outputs if output.get("name") == "stderr"], "warnings name places of one machine"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "publish"])  # which has a Hub, below
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook = executed(from_source(of(name)), tmp_path)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(ran) > 3
    assert all(cell.execution_count for cell in ran)
    assert all(cell.outputs for cell in ran if cell.source.splitlines()[-1].isidentifier()), (
        "a cell shows its last line"
    )


@pytest.mark.slow
def test_a_command_that_fails_ends_a_notebook(tmp_path: Path) -> None:
    notebook = from_source(of("publish"))
    command = next(cell for cell in notebook.cells if cell.source.startswith("!pylon-zoo"))
    command.source = command.source.replace("--data phantom", "--data phantoom")
    notebook.cells = [command]
    with pytest.raises(CellExecutionError, match="the command above ended with 2"):
        executed(notebook, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [False, True])
def test_publishing_sends_nothing_unless_it_is_wanted(wanted: bool, tmp_path: Path, hub: LoopbackHub) -> None:
    notebook = from_source(of("publish"))
    switch = next(cell for cell in notebook.cells if cell.source.startswith("PUBLISH = False"))
    switch.source = switch.source.replace("False", str(wanted), 1)
    online = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
    executed(notebook, tmp_path, online)
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    if not wanted:
        assert (hub.repos, hub.log) == ({}, [])
        assert "Nothing was sent." in said
        return
    assert set(hub.repos) == {REPO}
    assert "the same weights" in said
    ours = pz.create_model("pylon_resnet18.phantom_cxr").eval()
    images = torch.rand(1, 1, 64, 64)
    assert torch.equal(pz.create_model("pylon_resnet18", f"hf-hub:{REPO}").eval()(images), ours(images))
