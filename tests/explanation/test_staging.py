from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.errors import ConfigError
from pylon_zoo.explanation.staging import staged


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    }


def write_and_raise(out: Path, error: BaseException) -> None:
    with staged(out, last="results.json") as stage:
        (stage / "results.json").write_text("new", encoding="utf-8")
        raise error


def test_files_appear_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with staged(out, last="results.json") as stage:
        (stage / "overlays").mkdir()
        (stage / "overlays" / "a.png").write_text("picture", encoding="utf-8")
        (stage / "results.json").write_text("results", encoding="utf-8")
        assert not (out / "results.json").exists()
    assert contents(out) == {"overlays/a.png": "picture", "results.json": "results"}
    assert sorted(path.name for path in out.iterdir()) == ["overlays", "results.json"]


def test_the_last_file_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (moved.append(self.name), replace(self, to))[1])
    with staged(tmp_path, last="b") as stage:
        for name in "abc":
            (stage / name).write_text(name, encoding="utf-8")
    assert moved == ["a", "c", "b"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_a_folder_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "results.json").write_text("old", encoding="utf-8")
    with pytest.raises(error):
        write_and_raise(tmp_path, error())
    assert contents(tmp_path) == {"results.json": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_an_error_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_and_raise(tmp_path / "out", RuntimeError())
    assert not (tmp_path / "out").exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with staged(tmp_path, last="results.json") as stage:
        (stage / "results.json").write_text("new", encoding="utf-8")
    assert contents(tmp_path) == {"mine.txt": "mine", "results.json": "new"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"out' is a file; give a folder"), staged(tmp_path / "out", last="x"):
        pass
    assert (tmp_path / "out").read_text(encoding="utf-8") == "a file"
