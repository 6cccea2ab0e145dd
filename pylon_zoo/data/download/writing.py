"""What the system says when a file cannot be written, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pylon_zoo.errors import DownloadError, PylonZooError
from pylon_zoo.files import disk_full_named


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors into ours.

    Args:
        folder: where something is written.

    Raises:
        DiskFullError: it does not fit.
        DownloadError: it may not be written, is on another disk, has a file in the way, …
    """
    try:
        with disk_full_named(folder):
            yield
    except PylonZooError:
        raise
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise DownloadError(
            f"'{where}' cannot be written: {error.strerror or error}. Check the folder, then run the same command "
            "again."
        ) from error
