from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from pylon_zoo.cli import arguments
from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.evaluation.tables import VIEWED
from pylon_zoo.models.build import build_model
from pylon_zoo.models.viewpoints import VIEWS
from pylon_zoo.weights.checkpoint import save_checkpoint

ARCH, TAG = "pylon_resnet18", "phantom_cxr"


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arguments.add_model(parser)
    arguments.add_device(parser)
    arguments.add_batch_size(parser, default=4)
    return parser.parse_args(words)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(build_model("pylon_test_resnet", 2, in_chans=1), tmp_path / "checkpoint")


def test_a_checkpoint_is_loaded_ready_for_use(checkpoint: Path) -> None:
    args = parse("--checkpoint", str(checkpoint), "--device", "cpu")
    model = arguments.load_model(args)
    assert model.num_classes == 2
    assert not model.training
    assert arguments.model_name(args) == str(checkpoint)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        arguments.load_model(parse("--checkpoint", str(tmp_path / "nowhere")))


def test_a_checkpoint_has_its_own_weights(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="--pretrained"):
        arguments.load_model(parse("--checkpoint", str(checkpoint), "--pretrained", "tag"))


@pytest.mark.parametrize(
    ("words", "asked_for", "name"),
    [
        (["--model", f"{ARCH}.{TAG}"], (f"{ARCH}.{TAG}", True), f"{ARCH}.{TAG}"),
        (["--model", ARCH, "--pretrained", TAG], (ARCH, TAG), f"{ARCH}.{TAG}"),
        (["--model", f"{ARCH}.{TAG}", "--pretrained", TAG], (f"{ARCH}.{TAG}", TAG), f"{ARCH}.{TAG}"),
    ],
)
def test_a_tag_asks_for_its_weights(
    words: list[str], asked_for: tuple[str, object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def create_model(name: str, pretrained: object) -> torch.nn.Module:
        calls.append((name, pretrained))
        return torch.nn.Linear(1, 1)

    monkeypatch.setattr("pylon_zoo.factory.create_model", create_model)
    args = parse(*words)
    arguments.load_model(args)
    assert calls == [asked_for]
    assert arguments.model_name(args) == name


def test_a_name_without_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pylon_zoo.factory.list_pretrained", lambda pattern="*": ["pylon_resnet50.nih_cxr14"])
    with pytest.raises(ConfigError, match=r"random weights explain nothing.*pylon_resnet50\.nih_cxr14") as caught:
        arguments.load_model(parse("--model", "pylon_resnet50"))
    assert caught.value.exit_code == 2


def test_a_misspelt_name_suggests_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'pylon_resnet50'"):
        arguments.load_model(parse("--model", "pylon_resnet5O"))


@pytest.mark.parametrize(
    "words", [[], ["--model", "a", "--checkpoint", "b"], ["--checkpoint", "b", "--batch-size", "0"]]
)
def test_impossible_combinations_are_usage_errors(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*words)
    assert caught.value.code == 2


def test_the_best_device_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert arguments.resolve_device(None) == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert arguments.resolve_device(None) == torch.device("cuda")
    assert arguments.resolve_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize(("name", "message"), [("quantum", "not a device"), ("cuda", "no such"), ("cuda:7", "no such")])
def test_a_device_that_is_not_there_is_named(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ConfigError, match=f"--device {name} .*{message}"):
        arguments.resolve_device(name)


def test_views_are_those_there_are() -> None:
    parser = argparse.ArgumentParser()
    arguments.add_views(parser)
    assert parser.parse_args([]).views == "none"
    assert all(parser.parse_args(["--views", name]).views == name for name in VIEWS)
    (option,) = (action for action in parser._actions if action.dest == "views")
    assert tuple(option.choices) == tuple(VIEWS) == tuple(VIEWED)
