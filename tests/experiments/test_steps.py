"""A step is done as long as what it says, what it reads and what it wrote are what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.experiments.steps import Step


def make(folder: Path, does: str = "make it") -> Step:
    """A step that reads one file and writes another."""
    return Step(
        "make",
        does,
        lambda: 0,
        folder / "marks" / "make.json",
        reads=(folder / "before.txt",),
        writes=(folder / "after.txt",),
        traces=folder / "begun.txt",
    )


@pytest.fixture
def done(tmp_path: Path) -> Step:
    """The same, done."""
    step = make(tmp_path)
    for name in ("before.txt", "after.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    step.note()
    assert step.state == "done"
    return step


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    assert make(tmp_path).state == "to do"


def test_it_was_begun_and_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "begun.txt").touch()
    assert make(tmp_path).state == "begun"


def test_what_it_wrote_was_removed(done: Step, tmp_path: Path) -> None:
    (tmp_path / "after.txt").unlink()
    assert done.state == "to do"


@pytest.mark.parametrize("change", [lambda file: file.write_text("other", encoding="utf-8"), Path.unlink])
def test_what_it_read_is_another(done: Step, tmp_path: Path, change) -> None:
    change(tmp_path / "before.txt")
    assert done.state == "to do"


def test_it_does_something_else_now(done: Step, tmp_path: Path) -> None:
    assert make(tmp_path, "make another").state == "to do"


def test_a_step_that_leaves_nothing_gets_no_mark(tmp_path: Path) -> None:
    (tmp_path / "before.txt").touch()
    step = make(tmp_path)
    step.note()
    assert not step.mark.exists()
    assert step.state == "to do"
