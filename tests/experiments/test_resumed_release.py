"""Wherever a release is stopped, the same command does what is left, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from pylon_zoo.cli.reproduce_release import go
from pylon_zoo.experiments import releasing as releasings
from pylon_zoo.experiments.releases import find_release
from pylon_zoo.experiments.releasing import Releasing

STEPS = ["prepare", "train 0", "train 1", "evaluate 0", "evaluate 1", "publish", "verify"]


class Commands:
    """Stand-ins for `pylon-zoo`'s commands, which leave the files that those leave; one of them may be cut short."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.stop = ""
        self.after = False
        self.losses = {0: 0.2, 1: 0.1}

    def __call__(self, words: Sequence[str]) -> int:
        options = dict(pairwise(words))
        kind = {"data": "prepare", "weights": "publish"}.get(words[0], words[0])
        run = Path(options.get("--checkpoint", options.get("--out", "")))
        name = f"{kind} {run.name.removeprefix('seed-')}" if kind in ("train", "evaluate") else kind
        if self.stop == name and not self.after:
            raise KeyboardInterrupt
        self.done.append(name)
        getattr(self, kind)(options, run)
        if self.stop == name:
            raise KeyboardInterrupt
        return 0

    def prepare(self, options: dict[str, str], run: Path) -> None:
        write(Path(options["--out"], "prepared.json"), "{}")

    def train(self, options: dict[str, str], run: Path) -> None:
        summary = {"val_loss": self.losses[int(options["--seed"])]}
        write(run / "log" / "summary.json", json.dumps(summary))
        write(run / "checkpoint" / "model.safetensors", f"weights {summary}")

    def evaluate(self, options: dict[str, str], run: Path) -> None:
        for name in ("metrics.json", "report.html"):
            write(Path(options["--out"], name), name)

    def publish(self, options: dict[str, str], run: Path) -> None:
        entry = {"pylon_resnet50.nih_cxr14": {"weights_licence": options["--recipe"]}}
        write(Path(options["--manifest"]), json.dumps({"weights": entry}))

    def verify(self, command: Sequence[str], **options: object) -> SimpleNamespace:
        """In place of the fresh process."""
        if self.stop == "verify" and not self.after:
            raise KeyboardInterrupt
        self.done.append("verify")
        return SimpleNamespace(returncode=0, stdout="right\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands()
    monkeypatch.setattr(releasings.subprocess, "run", made.verify)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_token")
    return made


@pytest.fixture
def way(tmp_path: Path, commands: Commands) -> Releasing:
    data = tmp_path / "nih"
    data.mkdir()
    return Releasing(
        find_release("nih-cxr14"),
        commands,
        tmp_path / "runs",
        data=[f"nih-cxr14:{data}"],
        seeds=(0, 1),
        repo="org/name",
    )


def test_everything_is_done_once(way: Releasing, commands: Commands) -> None:
    assert go(way, quiet=True) == 0
    assert commands.done == STEPS
    assert go(way, quiet=True) == 0
    assert commands.done == STEPS
    assert all(step.state == "done" for step in way.steps())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stop", STEPS[:-1])
def test_stopped_at_any_step_it_goes_on_from_there(stop: str, after: bool, way: Releasing, commands: Commands) -> None:
    commands.stop, commands.after = stop, after
    with pytest.raises(KeyboardInterrupt):
        go(way, quiet=True)
    commands.stop = ""
    assert go(way, quiet=True) == 0
    # What was stopped before its mark is done again, which finds that it was done.
    twice = [stop] if after else []
    assert sorted(commands.done) == sorted([*STEPS, *twice])


def test_stopped_while_it_verifies(way: Releasing, commands: Commands) -> None:
    commands.stop = "verify"
    with pytest.raises(KeyboardInterrupt):
        go(way, quiet=True)
    commands.stop = ""
    assert go(way, quiet=True) == 0
    assert commands.done == STEPS


def test_what_is_published_is_the_run_that_validated_best(way: Releasing, commands: Commands) -> None:
    assert go(way, quiet=True) == 0
    choice = json.loads((way.place / "chosen.json").read_text(encoding="utf-8"))
    assert choice["seed"] == 1
    entry = json.loads(way.manifest.read_text(encoding="utf-8"))["weights"]["pylon_resnet50.nih_cxr14"]
    assert entry["weights_licence"] == "nih_cxr14_pylon_resnet50_256 with loop.seed=1"
    assert '+      "weights_licence": "nih_cxr14_pylon_resnet50_256 with loop.seed=1"' in way.patch.read_text("utf-8")


def test_another_run_is_judged_chosen_and_published_again(way: Releasing, commands: Commands) -> None:
    assert go(way, quiet=True) == 0
    run = way.folder / "nih_cxr14_pylon_resnet50_256" / "seed-0"
    commands.losses[0] = 0.05
    (run / "log" / "summary.json").unlink()
    commands.done.clear()
    assert go(way, quiet=True) == 0
    assert commands.done == ["train 0", "evaluate 0", "publish", "verify"]
    assert json.loads((way.place / "chosen.json").read_text(encoding="utf-8"))["seed"] == 0


def test_a_step_that_fails_ends_it_with_its_code(
    way: Releasing, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Commands, "__call__", lambda self, words: 3)
    assert go(way, quiet=True) == 3
    assert capsys.readouterr().out == "Stopped at: prepare nih_cxr14-320. The same command goes on from there.\n"
