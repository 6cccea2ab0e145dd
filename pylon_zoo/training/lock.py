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
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            _take(file)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            holder = file.read().strip()
            raise ConfigError(
                f"{folder} is being written by another process{f' ({holder})' if holder else ''}. Wait until it ends, "
                "or give another folder."
            ) from error
        except OSError as error:  # some network file systems have no locks
            warnings.warn(f"{folder} cannot be locked: {error.strerror}. Start no second run on it.", stacklevel=3)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _take(file: IO[str]) -> None:
    """Lock a file without waiting. Both kinds belong to this process alone: loading processes do not inherit them."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
