"""The documentation's Python runs as it stands there, in its order; what it quotes and points to exists."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from PIL import Image
from radiographs import write_radiograph

import pylon_zoo as pz
from pylon_zoo.cli.main import COMMANDS
from pylon_zoo.data.phantom.render import render
from pylon_zoo.deployment.prediction.predict import predict_to_parquet

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
Names = dict[str, object]


def chest() -> Names:
    """A radiograph."""
    Image.fromarray(render(0, 0, 256).image).save("chest.png")
    return {}


def parts() -> Names:
    """A tile of a circuit board, and a few pictures of products in folders."""
    Image.new("L", (64, 64), 255).save("tile.png")
    for number, kind in enumerate(("good", "scratch", "dent") * 4):
        Path("parts/train", kind).mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 20 * number).save(Path("parts/train", kind, f"{number}.png"))
    return {}


def images(channels: int = 3) -> Names:
    """A batch of one image."""
    return {"images": torch.rand(1, channels, 64, 64)}


def radiograph() -> Names:
    """A radiograph as DICOM, and a model."""
    write_radiograph(Path("chest.dcm"))
    return {"model": pz.create_model("pylon_resnet18.phantom_cxr")}


def found() -> Names:
    """What `pylon-zoo predict --heatmaps png` leaves of one radiograph, under the name that the page has."""
    chest()
    model = pz.create_model("pylon_resnet18.phantom_cxr")
    options = {"heatmaps": "png", "heatmaps_dir": "written", "heatmaps_of": "all", "labels": ["Fibrosis"]}
    predict_to_parquet(model, ["chest.png"], "found.parquet", model_name="phantoms", **options)
    Path("heat/00000").mkdir(parents=True)
    next(Path("written").rglob("*Fibrosis.png")).rename("heat/00000/00000002_4_Fibrosis.png")
    return {}


# Page → what makes the files its Python reads, in the folder it runs in, and gives the names it takes for granted.
PAGES: dict[str, Callable[[], Names]] = {
    "cells.md": dict,
    "circuit-board-tiles.md": parts,
    "dicom.md": radiograph,
    "figures.md": chest,
    "how-to/from-cam-libraries.md": dict,
    "how-to/from-smp.md": images,
    "how-to/from-timm.md": images,
    "how-to/inspection.md": parts,
    "how-to/radiology.md": chest,
    "index.md": dict,
    "methods.md": images,
    "predict.md": found,
    "timm.md": partial(images, channels=1),
}
ELSEWHERE = {"weights.md": "tests/weights/test_docs.py"}


def python_of(page: Path) -> list[str]:
    """The blocks of Python on a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_every_page_with_python_is_run() -> None:
    with_python = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if python_of(page)}
    assert with_python == {*PAGES, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = PAGES[page]()
    for block in python_of(DOCS / page):
        exec(block, names)


def commands() -> list[str]:
    """The command lines of README and documentation, without the synopses, whose options stand in brackets."""
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    texts = [page.read_text(encoding="utf-8").replace("\\\n", " ") for page in pages]
    lines = [line for text in texts for line in re.findall(r"^ *(pylon-zoo .+)$", text, flags=re.MULTILINE)]
    return [line for line in lines if " [" not in line]


def test_every_command_has_the_options_it_is_shown_with() -> None:
    lines = commands()
    assert len(lines) > 60
    for line in lines:
        _, name, *arguments = shlex.split(line, comments=True)
        parser = argparse.ArgumentParser(line)
        import_module(COMMANDS[name][0]).add_arguments(parser)
        parser.parse_args(arguments)  # SystemExit, and the parser's name, which is the line, for what it does not know


def test_the_page_of_the_command_line_has_every_command() -> None:
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)", page, flags=re.MULTILINE)) == set(COMMANDS)


ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8")


def texts_of(tree: ast.AST) -> list[str]:
    """All texts of a module but its docstrings, `…` where something is put in."""
    comments = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            texts.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in comments:
            texts.append(node.value)
    return texts


@pytest.fixture(scope="module")
def texts() -> list[str]:
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "pylon_zoo").rglob("*.py")]
    return [text for tree in trees for text in texts_of(tree)]


QUOTED = [quote for cell in re.findall(r"^\| (`.+?) \| ", ERRORS, flags=re.M) for quote in re.findall(r"`(.+?)`", cell)]


def test_many_errors_are_explained() -> None:
    assert len(QUOTED) > 40


@pytest.mark.parametrize("quote", QUOTED)
def test_the_errors_that_are_explained_exist(quote: str, texts: list[str]) -> None:
    # What is put in may be several pieces beside each other, and may begin or end a sentence.
    pattern = re.compile(".*?".join(map(re.escape, quote.split("…"))), flags=re.S)
    assert any(pattern.search(text) for text in texts)
