"""A folder's lock: taken, refused, let go; and what Windows is asked for, by a stand-in for its module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pylon_zoo import lock
from pylon_zoo.errors import ConfigError
from pylon_zoo.lock import BEYOND, LOCK, locked

OTHER = """
import sys
from pathlib import Path
from pylon_zoo.errors import ConfigError
from pylon_zoo.lock import locked
try:
    with locked(Path(sys.argv[1])):
        print("had")
except ConfigError as error:
    print(error)
"""


def another(folder: Path) -> str:
    """What another process gets that asks for the lock."""
    command = [sys.executable, "-c", OTHER, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_another_process_is_told_whose_it_is_and_gets_it_afterwards(tmp_path):
    with locked(tmp_path):
        assert f"written by another process (process {os.getpid()})" in another(tmp_path)
    assert another(tmp_path) == "had\n"


class LocksOfWindows:
    """`msvcrt`, as far as it locks bytes of files: whoever has one keeps others from it, be it in the same process."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        self.taken: set[tuple[int, int]] = set()

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        assert count == 1
        if mode == self.LK_UNLCK:
            self.taken.remove(place)
        elif place in self.taken:
            raise PermissionError(13, "Permission denied")
        else:
            self.taken.add(place)


@pytest.fixture
def windows(monkeypatch):
    module = LocksOfWindows()
    monkeypatch.setattr(lock, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    return module


def test_on_windows_a_byte_behind_the_text_is_locked_and_let_go(tmp_path, windows):
    with locked(tmp_path):
        assert windows.taken == {((tmp_path / LOCK).stat().st_ino, BEYOND)}
        assert (tmp_path / LOCK).read_text(encoding="utf-8") == f"process {os.getpid()}"
        with pytest.raises(ConfigError, match=rf"written by another process \(process {os.getpid()}\)"):
            locked(tmp_path).__enter__()
    assert not windows.taken


def test_a_disk_without_locks_is_warned_of_once(tmp_path, windows, monkeypatch):
    def unsupported(*_) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(windows, "locking", unsupported)
    with (
        pytest.warns(UserWarning, match="cannot be locked: Operation not supported. Start no second run"),
        locked(tmp_path),
    ):
        assert (tmp_path / LOCK).is_file()
