"""Notebooks are made from their sources, `examples/notebooks/NAME.py`: `python tests/support/notebooks.py` writes all.

The sources are Python with cells between lines of `# %%` (jupytext's percent format), which linters read and diffs show
well. Those in `PICTURED` are run, and keep their outputs, for readers on GitHub; the others have none.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOURCES = sorted((EXAMPLES / "notebooks").glob("*.py"))
PICTURED = {"first_map"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook_path(source: Path) -> Path:
    """The notebook that is made from a source."""
    return EXAMPLES / f"{source.stem}.ipynb"


def from_source(source: Path) -> NotebookNode:
    """The notebook of a source, without outputs; the same each time."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def cells_of(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """Kind, name and text of each cell."""
    return [(cell.cell_type, cell.id, cell.source) for cell in notebook.cells]


def executed(notebook: NotebookNode, folder: Path, variables: Mapping[str, str] | None = None) -> NotebookNode:
    """Run all cells in a folder, in a process of its own with this Python; a command that fails (`!…`) is an error too.

    Args:
        notebook: gets its outputs.
        folder: where it runs.
        variables: of the environment, beside those of this process.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell, or a command in it, fails.
    """
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    written = {cell.id: cell.source for cell in notebook.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = _strict(cell.source)
    shutil.copy(EXAMPLES / "draw_plates.py", folder)  # what stands beside the notebooks, and they call
    client.execute(env={**os.environ, "PATH": place, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **(variables or {})})
    for cell in notebook.cells:
        cell.source = written[cell.id]
    return notebook


def _strict(source: str) -> str:
    """The same cell, in which each command that fails ends the notebook."""
    check = "assert _exit_code == 0, f'the command above ended with {_exit_code}'"
    lines = source.splitlines()
    return "\n".join(f"{line}\n{check}" if line.startswith("!") else line for line in lines)


def _smaller(output: NotebookNode) -> NotebookNode:
    """The same output without the larger one of two forms of a picture."""
    if "image/jpeg" in output.get("data", {}):
        output.data.pop("image/png", None)
    return output


def write(source: Path) -> Path:
    """Write the notebook of a source."""
    notebook = from_source(source)
    if source.stem in PICTURED:
        with tempfile.TemporaryDirectory() as folder:
            executed(notebook, Path(folder))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [_smaller(output) for output in cell.outputs if output.get("name") != "stderr"]
    path = notebook_path(source)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    return path


if __name__ == "__main__":
    for source in SOURCES:
        path = write(source)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
