"""One process at a time on a folder; the lock dies with the process, however it dies."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pylon_zoo.errors import ConfigError

LOCK = ".lock"
BEYOND = 1 << 20
"""Which byte is locked on Windows: one far behind the text, as nobody else can read what is locked there."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; the file `.lock` stays behind, as removing it could hit another process's.

    Args:
        folder: an existing folder.

    Raises:
        ConfigError: another process holds it; names that process.

    Example:
        >>> import tempfile
        >>> with locked(Path(tempfile.mkdtemp())):
        ...     pass
    """
    with (folder / LOCK).open("a+", encoding="utf-8", newline="\n") as file:
        held = True
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            holder = file.read().strip()
            raise ConfigError(
                f"{folder} is being written by another process{f' ({holder})' if holder else ''}. Wait until it ends, "
                "or give another folder."
            ) from error
        except OSError as error:  # some network file systems have no locks
            held = False
            warnings.warn(f"{folder} cannot be locked: {error.strerror}. Start no second run on it.", stacklevel=3)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            if held:
                _lock(file, release=True)  # closing does it too, but Windows may take its time


def _lock(file: IO[str], *, release: bool = False) -> None:
    """Lock a file without waiting, or let it go. Both kinds belong to this process alone: loading processes do not
    inherit them.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file.fileno(), BEYOND, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK if release else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_UN if release else fcntl.LOCK_EX | fcntl.LOCK_NB)
