"""A file to be downloaded, and what is said where it is not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pylon_zoo.data.download.table import RemoteFile
from pylon_zoo.errors import DownloadError

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
PATH = "/file.bin"


def refused(fetch: Callable[[RemoteFile], bytes], file: RemoteFile) -> str:
    """What is said where there is no file."""
    with pytest.raises(DownloadError) as error:
        fetch(file)
    message = str(error.value)
    assert message.startswith("'file.bin' cannot be downloaded: ")
    assert "\n" not in message
    return message


def stop_after(heard, size: int) -> None:
    heard.on_count = lambda heard: heard.stop.set() if heard.bytes >= size else None
