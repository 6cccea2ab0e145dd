"""Commands that need no model start without torch, timm, or anything else that is not Python's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pylon_zoo
from pylon_zoo.cli.main import COMMANDS

ROOT = Path(pylon_zoo.__file__).parents[1]
MODEL = ["--model", "pylon_resnet18.phantom_cxr"]
# What is typed, and the exit code.
TYPED: list[tuple[list[str], int]] = [
    (["--help"], 0),
    (["--version"], 0),
    ([], 2),
    *(([name, "--help"], 0) for name in COMMANDS),
    # A mistyped command, option, choice; then names that are in no table.
    (["explian"], 2),
    (["list", "--pretraned"], 2),
    (["explain", "a.png", *MODEL, "--views", "mirorr"], 2),
    (["explain", "a.png", *MODEL, "--method", "grad_camm"], 2),
    (["explain", "a.png", "--model", "pylon_resnet18"], 2),
    (["explain", "a.png", "--model", "pylon_resnet18.phantom"], 2),
    (["explain", "a.png", "--model", "pylon_resnet1B.phantom_cxr"], 2),
    (["explain", "a.png", "--model", "pilon_resnet18.phantom_cxr"], 2),
    (["evaluate", *MODEL, "--data", "phanton", "--out", "out"], 2),
    (["evaluate", *MODEL, "--data", "phantom", "--metrics", "enrgy", "--out", "out"], 2),
    (["figure"], 2),
    (["figure", "mpas"], 2),
    (["figure", "maps", "a.png", *MODEL, "--method", "grad_camm", "--out", "a.pdf"], 2),
    (["figure", "maps", "a.png", "--model", "pylon_resnet18.phantom", "--out", "a.pdf"], 2),
    (["figure", "maps", *MODEL, "--data", "phanton", "--out", "a.pdf"], 2),
    (["figure", "roc", "a", "--width", "wide", "--out", "a.pdf"], 2),
    (["predict", "--input", "a.png", "--out", "a.parquet", "--model", "pylon_resnet18.phantom"], 2),
    (["export", *MODEL, "--format", "onx", "--out", "a.onnx"], 2),
    (["app", "--model", "pylon_resnet18.phantom"], 2),
    (["app", "--model", "pylon_resnet18"], 2),
    (["app", "--data", "phanton"], 2),
    (["train", "phantom_cxr_pilon", "--out", "out"], 2),
    (["train", "phantom_cxr_pylon", "--out", "out", "--tracker", "tensorbord"], 2),
    (["train", "--data", "phantom", "--model", "pylon_resnet1B", "--out", "out"], 2),
    (["reproduce", "tabel1"], 2),
    (["reproduce", "release", "nih-cxr41"], 2),
    (["reproduce", "release", "nih-cxr14", "--rows", "PYLON"], 2),
    (["reproduce", "table1", "--dry-run"], 2),
    (["data", "check", "phanton"], 2),
    (["data", "prepare", "phanton", "--out", "out"], 2),
    (["data", "download", "vindr", "out"], 2),
    (["data", "download", "voc", "out", "--only", "2011"], 2),
    (["recipes", "show", "phantom_cxr_pilon"], 2),
    (["weights", "info", "pylon_resnet18.phantom"], 2),
    (["weights", "verify", "pylon_resnet18.phantom"], 2),
    # What only lists.
    (["data", "download", "--list"], 0),
    (["data", "download", "nih-cxr14", "--list"], 0),
    (["data", "download", "mimic-cxr", "out"], 1),
    (["reproduce"], 0),
    (["reproduce", "release"], 0),
    (["recipes", "list"], 0),
    (["recipes", "settings"], 0),
    (["list"], 0),
    (["list", "pylon_*resnet*"], 0),
    (["list", "zzz"], 2),
    (["list", "--pretrained"], 0),
    (["weights", "list"], 0),
    (["weights", "info", "pylon_resnet18.phantom_cxr"], 0),
]
# One process for all: whatever one of them imports stays, and is told of with it.
CODE = """
import contextlib, io, json, sys
def others():
    return {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
before = others() | {"pylon_zoo", "__main__", "__mp_main__"}
import pylon_zoo
outcomes = [[None, *sorted(others() - before)]]
from pylon_zoo.cli.main import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = main(words)
    outcomes.append([code, *sorted(others() - before)])
import numpy
outcomes.append([None, *sorted(others() - before)])
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def outcomes() -> list[list[object]]:
    """Of `import pylon_zoo`, each command, and numpy: the exit code, and which packages have been imported by then."""
    words = json.dumps([words for words, _ in TYPED])
    done = subprocess.run([sys.executable, "-c", CODE, words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_the_package_imports_nothing_else(outcomes: list[list[object]]):
    assert outcomes[0] == [None]


@pytest.mark.parametrize("place", range(len(TYPED)), ids=[" ".join(words) or "nothing" for words, _ in TYPED])
def test_a_command_without_a_model_imports_nothing_else(place: int, outcomes: list[list[object]]):
    assert outcomes[place + 1] == [TYPED[place][1]]


def test_what_is_imported_is_seen(outcomes: list[list[object]]):
    assert "numpy" in outcomes[-1]


@pytest.mark.slow
def test_a_model_needs_what_a_model_of_timms_needs():
    code = (
        "import sys, timm; timm.create_model('test_resnet')\n"
        "before = {name.partition('.')[0] for name in sys.modules}\n"
        "import pylon_zoo as pz; pz.create_model('pylon_test_resnet'); pz.create_pylon('test_resnet', 2)\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - before - sys.stdlib_module_names)\n"
        "print(*(name for name in sys.modules if name.startswith(('pylon_zoo.data', 'pylon_zoo.metrics', 'PIL.Png'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["pylon_zoo", ""], done.stderr
