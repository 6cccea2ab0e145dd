"""The old file or the new one, never half of one."""

from __future__ import annotations

import pytest

from pylon_zoo.errors import ConfigError
from pylon_zoo.files import check_folder, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "metrics.csv"
    write_text(path, "a\nb\n")
    write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()


def test_a_folder_is_checked_without_being_made(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(ConfigError, match=r"--out .* cannot be a folder: .*file is a file"):
            check_folder(path)
