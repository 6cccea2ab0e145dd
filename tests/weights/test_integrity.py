from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import pytest

from pylon_zoo.errors import WeightsError
from pylon_zoo.weights.integrity import FileRecord, read_bytes, read_verified, record_of, write_files


def test_the_record_is_the_size_and_the_sha256() -> None:
    # The digest of "abc" in the standard's own example (FIPS 180-2, B.1).
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert record_of(b"abc") == FileRecord(3, digest)


def test_the_right_bytes_come_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_verified(tmp_path / "file", record_of(b"abc")) == b"abc"


def test_corruption_of_the_same_length_names_file_and_both_hashes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abd")
    with pytest.raises(WeightsError) as error:
        read_verified(path, record_of(b"abc"))
    for expected in (str(path), sha256(b"abc").hexdigest(), sha256(b"abd").hexdigest()):
        assert expected in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone cannot be read: No such file"):
        read_bytes(tmp_path / "gone")


def test_files_are_written_into_a_new_folder_and_nothing_else(tmp_path: Path) -> None:
    write_files(tmp_path / "a" / "b", {"one": b"1", "two": b"2"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()} == {"one": b"1", "two": b"2"}


def test_a_failure_keeps_the_old_files_and_leaves_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"one": b"old", "two": b"old"})
    opened = Path.open

    def fail_on_the_second(path: Path, *mode: str, **options: Any) -> IO[Any]:
        if ".two." in path.name:
            raise OSError(5, "Input/output error")
        return opened(path, *mode, **options)

    monkeypatch.setattr(Path, "open", fail_on_the_second)
    with pytest.raises(WeightsError, match="Input/output error"):
        write_files(tmp_path, {"one": b"new", "two": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"old", "two": b"old"}


def test_a_file_in_the_folders_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="cannot be written to"):
        write_files(tmp_path / "file", {"one": b"1"})
