"""A manifest's entry as a patch that git takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights import manifest
from pylon_zoo.weights.patching import entry_patch

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
WRITE = Callable[[dict[str, object]], None]


def applied(patch: str, top: Path) -> dict[str, object]:
    """The entries of a source tree's manifest once git has applied a patch to it."""
    file = top / "entry.patch"
    file.write_text(patch, encoding="utf-8", newline="\n")
    subprocess.run(["git", "apply", file.name], cwd=top, check=True)
    return json.loads((top / manifest.MANIFEST_FILE).read_text(encoding="utf-8"))["weights"]


def as_committed(top: Path) -> None:
    """The manifest as the repository has it: indented, with a newline at its end."""
    file = top / manifest.MANIFEST_FILE
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


@needs_git
def test_a_planned_entry_is_changed_where_it_stands(source_tree: Path, write_manifest: WRITE, entry_values) -> None:
    authors = {**entry_values, "authors_file": "theirs.pkl"}
    write_manifest({"pylon_a.first": entry_values, "pylon_a.planned": authors, "pylon_a.last": entry_values})
    as_committed(source_tree)
    published = {**entry_values, "source": "hub", "repo": "org/a", "revision": "0" * 40, "files": files()}
    entries = applied(entry_patch("pylon_a.planned", published), source_tree)
    assert list(entries) == ["pylon_a.first", "pylon_a.planned", "pylon_a.last"]
    assert entries["pylon_a.planned"] == {**authors, **published}, "what was not published anew stays"
    assert entries["pylon_a.first"] == entry_values


@needs_git
def test_a_new_entry_comes_last_so_that_defaults_stay(source_tree: Path, write_manifest: WRITE, entry_values) -> None:
    write_manifest({"pylon_a.default": entry_values})
    as_committed(source_tree)
    entries = applied(entry_patch("pylon_a.other", entry_values), source_tree)
    assert list(entries) == ["pylon_a.default", "pylon_a.other"]
    manifest.read_once.cache_clear()
    assert manifest.find("pylon_a").name == "pylon_a.default"


def test_an_entry_that_is_there_already_changes_nothing(source_tree: Path, write_manifest: WRITE, entry_values) -> None:
    write_manifest({"pylon_a.one": entry_values})
    as_committed(source_tree)
    assert entry_patch("pylon_a.one", entry_values) == ""


def test_an_entry_that_cannot_be_right_is_refused(source_tree: Path, write_manifest: WRITE, entry_values) -> None:
    write_manifest({"pylon_a.one": entry_values})
    with pytest.raises(WeightsError, match="num_classes is 3"):
        entry_patch("pylon_a.two", {**entry_values, "num_classes": 3})


def test_the_packages_manifest_is_written_as_patches_expect() -> None:
    """Otherwise a patch would touch all of it."""
    patch = entry_patch("pylon_resnet50.nih_cxr14", {"weights_licence": "CC-BY-4.0"})
    changed = [line for line in patch.splitlines()[2:] if line.startswith(("+", "-"))]
    assert 1 <= len(changed) <= 3


def files() -> dict[str, object]:
    record = {"bytes": 1, "sha256": "0" * 64}
    return {"config.json": record, "model.safetensors": record}
