"""The steps of a release: which they are, that their commands can be typed, and what is done again when."""

from __future__ import annotations

import argparse
import json
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from pylon_zoo.cli.main import COMMANDS
from pylon_zoo.experiments.releases import find_release, list_releases
from pylon_zoo.experiments.releasing import Releasing
from pylon_zoo.experiments.steps import Step


def releasing(name: str, folder: Path, **options: object) -> Releasing:
    """A release whose commands do nothing."""
    return Releasing(find_release(name), lambda words: 0, folder, **options)


def typed(step: Step) -> argparse.Namespace:
    """A step's command as `pylon-zoo` reads it."""
    _, name, *words = shlex.split(step.does)
    parser = argparse.ArgumentParser(step.does)
    import_module(COMMANDS[name][0]).add_arguments(parser)
    return parser.parse_args(words)


def named(steps: list[Step], name: str) -> Step:
    return next(step for step in steps if step.name == name)


@pytest.mark.parametrize("name", [release.name for release in list_releases()])
def test_every_command_of_every_release_can_be_typed(name: str, tmp_path: Path) -> None:
    steps = releasing(name, tmp_path, seeds=(0, 1)).steps()
    commands = [step for step in steps if step.does.startswith("pylon-zoo")]
    assert len(commands) >= 5
    assert all(typed(step) for step in commands)
    assert [step.name for step in steps[-4:]] == ["choose", "publish", "patch", "verify"]
    assert len({step.mark for step in steps}) == len(steps)


def test_its_steps_in_order(tmp_path: Path) -> None:
    names = [step.name for step in releasing("nih-cxr14", tmp_path, seeds=(3, 4)).steps()]
    assert names == [
        "prepare nih_cxr14-320",
        "train nih_cxr14_pylon_resnet50_256, seed 3",
        "train nih_cxr14_pylon_resnet50_256, seed 4",
        "evaluate nih_cxr14_pylon_resnet50_256, seed 3",
        "evaluate nih_cxr14_pylon_resnet50_256, seed 4",
        "choose",
        "publish",
        "patch",
        "verify",
    ]


def test_transfer_begins_with_the_run_it_starts_from(tmp_path: Path) -> None:
    steps = releasing("vindr-cxr-transfer", tmp_path).steps()
    assert [step.name for step in steps[:4]] == [
        "prepare nih_cxr14-320",
        "train nih_cxr14_pylon_resnet50_256, seed 0",
        "prepare vindr_cxr-320",
        "train vindr_cxr_pylon_resnet50_256_transfer, seed 0",
    ]
    first, run = named(steps, steps[1].name), named(steps, steps[3].name)
    assert run.reads == first.writes[1:], "another start is another run"
    assert typed(run).settings == [f"transfer.checkpoint={json.dumps(typed(first).out)}"]


def test_transfer_from_weights_that_are_there_trains_nothing_before(tmp_path: Path) -> None:
    starts = {"nih_cxr14_pylon_resnet50_256": "pylon_resnet50.nih_cxr14"}
    steps = releasing("vindr-cxr-two-phase", tmp_path, starts=starts).steps()
    assert [step.name for step in steps[:2]] == [
        "prepare vindr_cxr-320",
        "train vindr_cxr_pylon_resnet50_256_two_phase, seed 0",
    ]
    assert typed(steps[1]).settings == ['transfer.checkpoint="pylon_resnet50.nih_cxr14"']


def test_what_the_recipe_asks_of_the_data_is_asked_in_the_evaluation(tmp_path: Path) -> None:
    step = named(releasing("voc", tmp_path).steps(), "evaluate pascal_voc_pylon_resnet50_256, seed 0")
    asked = typed(step)
    assert asked.split == "val"
    assert {"difficult=true", "background=true", 'year="2012"'} == set(asked.data_options)
    assert asked.placement == "paper"


def test_settings_reach_the_run_its_folder_and_what_is_said_of_it(tmp_path: Path) -> None:
    way = releasing("nih-cxr14", tmp_path, settings=["model.architecture=pylon_resnet18", "data.size=64"])
    assert way.weights == "pylon_resnet18.nih_cxr14"
    steps = way.steps()
    assert steps[0].name == "prepare nih_cxr14-128"
    assert typed(steps[1]).settings == ["model.architecture=pylon_resnet18", "data.size=64"]
    assert "data.size=64" in way.place.name
    way.place.mkdir(parents=True)
    (way.place / "chosen.json").write_text(json.dumps({"seed": 2, "run": "run"}), encoding="utf-8")
    said = typed(named(way.steps(), "publish"))
    recipe = "nih_cxr14_pylon_resnet50_256 with model.architecture=pylon_resnet18 data.size=64 loop.seed=2"
    assert (said.recipe, said.run, said.aliases, said.tag) == (recipe, "run", ["nih_cxr14_256"], "nih_cxr14")


def test_only_publishing_waits_for_what_is_missing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [f"nih-cxr14:{tmp_path}"]
    lacking = [step for step in releasing("nih-cxr14", tmp_path / "out", data=data).steps() if step.needs]
    assert [(step.name, step.needs, step.late) for step in lacking] == [("publish", "--publish ORG/NAME", True)]
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    steps = releasing("nih-cxr14", tmp_path / "out", data=data, repo="org/name").steps()
    assert named(steps, "publish").needs.startswith("a token of the Hub")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
    steps = releasing("nih-cxr14", tmp_path / "out", data=data, repo="org/name").steps()
    assert not named(steps, "publish").needs
