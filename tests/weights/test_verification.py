"""`pylon-zoo weights verify`: bytes, hashes, golden outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub

from pylon_zoo.cli.main import main
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.bundling import bundle_checkpoint
from pylon_zoo.weights.checkpoint import save_checkpoint
from pylon_zoo.weights.golden import golden_bytes
from pylon_zoo.weights.integrity import record_of
from pylon_zoo.weights.publishing import prepare, publish
from pylon_zoo.weights.verification import verify_weights

NAME = "pylon_test_resnet.one"


@pytest.fixture
def folder(make_model: Callable[..., HeatmapClassifier], source_tree: Path, tmp_path: Path) -> Path:
    """Bundled weights."""
    run = save_checkpoint(make_model(num_classes=2, in_chans=1), tmp_path / "run")
    return manifest.ROOM / bundle_checkpoint(run, NAME).path


def test_the_weights_in_the_package_are_right(capsys: pytest.CaptureFixture[str], no_network: None) -> None:
    assert main(["weights", "verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum(entry.available for entry in manifest.load_manifest().values())
    size = sum(file.bytes for file in manifest.load_manifest()["pylon_resnet18.phantom_cxr"].files.values())
    assert lines[0].startswith(f"right  pylon_resnet18.phantom_cxr: 3 files, {size:,} bytes")
    assert "golden outputs within" in lines[0]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "golden.safetensors"])
def test_a_byte_that_changed(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", NAME]) == 0
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    assert main(["weights", "verify", NAME]) == 1
    assert f"WRONG  {NAME}: " in (shown := capsys.readouterr().out)
    assert f"{name} is not the file that was published" in shown


def test_weights_that_do_something_else(folder: Path, make_model: Callable[..., HeatmapClassifier]) -> None:
    other = make_model(num_classes=2, in_chans=1)
    with torch.no_grad():
        other.head.bias += 1
    content = golden_bytes(other)
    (folder / "golden.safetensors").write_bytes(content)
    path = manifest.manifest_path()
    values = json.loads(path.read_text(encoding="utf-8"))
    values["weights"][NAME]["files"]["golden.safetensors"] = vars(record_of(content))
    path.write_text(json.dumps(values), encoding="utf-8")
    manifest.read_once.cache_clear()
    verdict = verify_weights(manifest.find("pylon_test_resnet", "one"))
    assert not verdict.right
    assert "computes something else" in verdict.reason


def test_without_golden_outputs_it_says_so(folder: Path) -> None:
    path = manifest.manifest_path()
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["weights"][NAME]["files"]["golden.safetensors"]
    path.write_text(json.dumps(values), encoding="utf-8")
    manifest.read_once.cache_clear()
    verdict = verify_weights(manifest.find("pylon_test_resnet", "one"))
    assert verdict.right
    assert verdict.reason.endswith("no golden outputs")


def test_weights_of_the_hub(folder: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    entry, values, _ = publish(prepare(tmp_path / "run", "org/two"))
    manifest.register_weights({entry.name: values})
    assert verify_weights(entry).right
    hub.fail("corrupted", file="golden.safetensors")
    for file in (tmp_path / "cache").rglob("golden.safetensors"):
        file.resolve().unlink()
        file.unlink()
    assert "golden.safetensors of org/two" in verify_weights(entry).reason


def test_planned_weights_are_not_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "pylon_resnet50.nih-cxr14"]) == 1
    assert "are not published yet" in capsys.readouterr().out
    assert main(["weights", "verify", "pylon_resnet50.nothing"]) == 2
