from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.weights.archives import checkpoint_bytes

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tar.xz": "w:xz"}


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, TARS["".join(path.suffixes)]) as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture(params=[".zip", *TARS])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"release{request.param}"


def test_the_only_checkpoint_is_found_among_other_files(archive: Path) -> None:
    pack(archive, {"pretrain/readme.txt": b"r", "pretrain/pylon,nih,256.pkl": b"weights", "__MACOSX/._a.pkl": b"junk"})
    assert checkpoint_bytes(archive) == (b"weights", f"'pretrain/pylon,nih,256.pkl' in {archive}")


def test_several_are_listed_and_one_is_chosen_by_path_or_name(archive: Path) -> None:
    pack(archive, {"a/pylon.pkl": b"P", "a/baseline.pkl": b"B", "b/baseline.pkl": b"C"})
    with pytest.raises(
        ConfigError, match=r"holds 3 checkpoints: a/pylon\.pkl, a/baseline\.pkl, b/baseline\.pkl.*member"
    ):
        checkpoint_bytes(archive)
    assert checkpoint_bytes(archive, "pylon.pkl")[0] == b"P"
    assert checkpoint_bytes(archive, "b/baseline.pkl")[0] == b"C"
    with pytest.raises(UnknownNameError, match=r"no one member 'baseline\.pkl'"):
        checkpoint_bytes(archive, "baseline.pkl")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'a/pylon\.pkl'"):
        checkpoint_bytes(archive, "a/pylom.pkl")


def test_an_archive_without_checkpoints_says_so(archive: Path) -> None:
    pack(archive, {"readme.txt": b"r"})
    with pytest.raises(WeightsError, match="without checkpoints"):
        checkpoint_bytes(archive)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip format", "older format"])
def test_a_file_of_pytorch_is_no_archive(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
    assert checkpoint_bytes(path) == (path.read_bytes(), str(path))
    with pytest.raises(ConfigError, match="is no archive"):
        checkpoint_bytes(path, "member")


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "release.zip", {"model.pkl": bytes(5000)})
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(WeightsError, match=r"release\.zip cannot be unpacked"):
        checkpoint_bytes(path)


def test_a_member_that_was_damaged_is_an_error(tmp_path: Path) -> None:
    path = pack(tmp_path / "release.tar", {"model.pkl": b"x" * 100_000})
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(WeightsError, match=r"release\.tar cannot be unpacked"):
        checkpoint_bytes(path)


def test_a_web_page_in_the_files_place_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "pretrain.zip"
    path.write_text("\n<!DOCTYPE html><html>Google Drive can't scan this file for viruses</html>", encoding="utf-8")
    with pytest.raises(WeightsError, match="is a web page"):
        checkpoint_bytes(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pkl cannot be read"):
        checkpoint_bytes(tmp_path / "gone.pkl")
