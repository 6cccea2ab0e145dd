from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from pylon_zoo.cli.main import main
from pylon_zoo.models.build import build_model
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

NAME = "pylon_test_resnet.phantom_cxr"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree with an empty manifest, which the package takes for its own; its top folder."""
    room = tmp_path / "tree" / "pylon_zoo" / "weights"
    room.mkdir(parents=True)
    (room.parents[1] / "setup.cfg").touch()
    (room.parents[1] / manifest.MANIFEST_FILE).write_text('{"format": 1, "weights": {}}', encoding="utf-8")
    monkeypatch.setattr(manifest, "ROOM", room)
    return room.parents[1]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return save_checkpoint(build_model("pylon_test_resnet", 2, 1, label_names=("mass", "nodule")), tmp_path / "run")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A Baseline of the authors' on ResNet-18, three channels and two classes."""
    encoder = torchvision.models.resnet18(weights=None).state_dict()
    state = {f"net.{name}": tensor for name, tensor in encoder.items() if not name.startswith("fc.")}
    state |= {"out.weight": torch.ones(2, 512, 1, 1), "out.bias": torch.zeros(2)}
    torch.save(state, tmp_path / "baseline.pkl", pickle_protocol=4)
    return tmp_path / "baseline.pkl"


def test_import_official_writes_a_checkpoint(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["weights", "import-official", str(theirs), "--out", str(out)]) == 0
    model = load_checkpoint(out)
    assert (model.architecture, model.num_classes) == ("cam_resnet18", 2)
    origin = json.loads((out / "config.json").read_text(encoding="utf-8"))["imported_from"]
    assert origin["file"] == "baseline.pkl"
    assert len(origin["sha256"]) == 64
    assert "cam_resnet18, 2 classes, 3 channel(s), 256×256 px" in capsys.readouterr().out


def test_a_file_that_cannot_be_imported_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str, str]]:
            return shutil.copyfile, (__file__, str(tmp_path / "executed"))

    torch.save({"a": Payload()}, tmp_path / "evil.pkl")
    assert main(["weights", "import-official", str(tmp_path / "evil.pkl"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pylon-zoo: error: ")
    assert "Nothing in it was executed" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "executed").exists()


def test_an_output_that_is_a_file_is_a_mistake_in_usage(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "import-official", str(theirs), "--out", str(theirs)]) == 2
    assert "--out" in capsys.readouterr().err


def test_bundle_list_and_info(tree: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    assert "names no weights yet" in capsys.readouterr().out
    options = ["--name", NAME, "--recipe", "r.toml", "--training-data", "phantoms", "--licence", "CC0-1.0"]
    assert main(["weights", "bundle", str(run), *options, "--alias", "phantom"]) == 0
    said = capsys.readouterr().out
    assert "bundle again with --evaluation" in said
    assert "states no split hash: options" in said
    assert main(["weights", "bundle", str(run), "--name", NAME, "--recipe", "r.toml"]) == 0
    assert "states no split hash: options" in capsys.readouterr().out, "what was stated of these weights stays"
    assert main(["weights", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith(NAME)
    assert "bundled" in listed
    assert "2 classes, phantoms" in listed
    assert main(["weights", "info", "pylon_test_resnet.phantom"]) == 0
    shown = capsys.readouterr().out
    for text in (NAME, "mass, nodule", "CC0-1.0", "r.toml", "sha256"):
        assert text in shown


@pytest.mark.parametrize("name", ["pylon_test_resnet", "pylon_test_resnet.gone"])
def test_info_of_what_is_not_there_is_a_mistake_in_usage(
    name: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "info", name]) == 2
    assert "No weights can be had by name now" in capsys.readouterr().err


def test_an_action_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 2
    assert "ACTION" in capsys.readouterr().err
