from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import bundling, manifest
from pylon_zoo.weights.bundling import bundle_checkpoint
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from pylon_zoo.weights.entry import NOT_STATED
from pylon_zoo.weights.file_names import CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE
from pylon_zoo.weights.integrity import record_of

NAME = "pylon_test_resnet.phantom_cxr"


@pytest.fixture
def run(make_model: Callable[..., HeatmapClassifier], tmp_path: Path) -> Path:
    """A training run's folder."""
    model = make_model(num_classes=2, in_chans=1, label_names=("mass", "nodule"))
    save_checkpoint(model, tmp_path / "run" / "checkpoint", training={"epoch": 3})
    return tmp_path / "run"


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    metrics = {"model": NAME, "images": 1000, "macro": {"auroc": 0.96}, "seconds": 12.5}
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return tmp_path / "evaluation"


def test_a_run_becomes_a_folder_and_an_entry(run: Path, source_tree: Path) -> None:
    entry = bundle_checkpoint(run, NAME, recipe="phantom_cxr_pylon", training_data="phantom_cxr", aliases=["phantom"])
    folder = source_tree / "pylon_zoo" / "weights" / "bundled" / NAME
    assert {path.name for path in folder.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, GOLDEN_FILE}
    assert load_file(folder / WEIGHTS_FILE)["head.weight"].dtype == torch.float16
    for name, record in entry.files.items():
        assert record_of((folder / name).read_bytes()) == record
    assert manifest.load_manifest() == {NAME: entry}
    model = load_checkpoint(run)
    assert (entry.label_names, entry.in_chans, entry.input_size) == (("mass", "nodule"), 1, (1, 160, 160))
    assert entry.mean == model.pretrained_cfg["mean"]
    assert (entry.recipe, entry.training_data, entry.aliases) == ("phantom_cxr_pylon", "phantom_cxr", ("phantom",))
    assert entry.metrics == {}


def test_bundling_again_adds_metrics_and_keeps_the_bytes(run: Path, evaluation: Path, source_tree: Path) -> None:
    first = bundle_checkpoint(run, NAME)
    second = bundle_checkpoint(run, NAME, evaluation=evaluation, command="pylon-zoo evaluate …")
    assert second.files == first.files
    # What the evaluation measured, and not how fast the machine was.
    assert second.metrics == {
        "command": "pylon-zoo evaluate …",
        "model": NAME,
        "images": 1000,
        "macro": {"auroc": 0.96},
    }


def test_bundling_the_same_weights_again_keeps_what_was_stated(run: Path, source_tree: Path) -> None:
    bundle_checkpoint(run, NAME, recipe="phantom_cxr_pylon", weights_licence="MIT", aliases=["phantom"])
    again = bundle_checkpoint(run, NAME, recipe="another")
    assert (again.recipe, again.weights_licence, again.aliases) == ("another", "MIT", ("phantom",))


def test_other_weights_of_a_name_inherit_nothing(
    run: Path, make_model: Callable[..., HeatmapClassifier], tmp_path: Path, source_tree: Path
) -> None:
    bundle_checkpoint(run, NAME, recipe="phantom_cxr_pylon", aliases=["phantom"])
    other = make_model(num_classes=2, in_chans=1, label_names=("mass", "nodule"))
    with torch.no_grad():
        next(other.parameters()).add_(1)
    save_checkpoint(other, tmp_path / "other" / "checkpoint")
    entry = bundle_checkpoint(tmp_path / "other", NAME)
    assert (entry.recipe, entry.aliases) == (NOT_STATED, ())


def test_other_entries_stay(run: Path, source_tree: Path, write_manifest: Callable, entry_values: dict) -> None:
    write_manifest({"pylon_a.b": entry_values, NAME: entry_values})
    bundle_checkpoint(run, NAME)
    assert [(name, entry.source) for name, entry in manifest.load_manifest().items()] == [
        ("pylon_a.b", "planned"),
        (NAME, "bundled"),
    ]


def assert_nothing_was_written(tree: Path) -> None:
    assert json.loads((tree / manifest.MANIFEST_FILE).read_text(encoding="utf-8"))["weights"] == {}
    assert not (tree / "pylon_zoo" / "weights" / "bundled").exists()


@pytest.mark.parametrize("name", ["pylon_resnet18.phantom_cxr", "pylon_test_resnet", "pylon_test_resnet."])
def test_a_name_that_does_not_fit_is_refused(name: str, run: Path, source_tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"Name them 'pylon_test_resnet\.<tag>'"):
        bundle_checkpoint(run, name)
    assert_nothing_was_written(source_tree)


def test_a_checkpoint_too_large_is_refused(run: Path, source_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundling.MOST_BYTES == 6_000_000
    monkeypatch.setattr(bundling, "MOST_BYTES", 100_000)
    with pytest.raises(WeightsError, match=r"would take [\d,]+ bytes in the package, where 100,000 are allowed"):
        bundle_checkpoint(run, NAME)
    assert_nothing_was_written(source_tree)


def test_a_field_that_cannot_be_right_is_refused(run: Path, source_tree: Path) -> None:
    with pytest.raises(WeightsError, match=r"unknown field 'reciep'.*recipe"):
        bundle_checkpoint(run, NAME, reciep="x")
    assert_nothing_was_written(source_tree)


def test_metrics_need_their_command_and_the_right_model(run: Path, evaluation: Path, source_tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.json needs the command"):
        bundle_checkpoint(run, NAME, evaluation=evaluation)
    (evaluation / "metrics.json").write_text('{"model": "runs/pylon"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"is of runs/pylon, not of {NAME}"):
        bundle_checkpoint(run, NAME, evaluation=evaluation, command="c")
    (evaluation / "metrics.json").write_text("[]", encoding="utf-8")
    with pytest.raises(WeightsError, match="is no evaluation"):
        bundle_checkpoint(run, NAME, evaluation=evaluation, command="c")
    assert_nothing_was_written(source_tree)


def test_an_installed_package_is_left_alone(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "ROOM", tmp_path / "site-packages" / "pylon_zoo" / "weights")
    with pytest.raises(ConfigError, match="source tree"):
        bundle_checkpoint(run, NAME)
    assert not (tmp_path / "site-packages").exists()
