"""What the tests of downloads share: a server, a small ChestX-Det on it, and no waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from loopback_files import FileServer
from tiny_releases import Tiny, put_tiny, tiny_release
from transfers import BODY, PATH

from pylon_zoo.data.download import releases
from pylon_zoo.data.download.patience import Watch
from pylon_zoo.data.download.table import RemoteFile
from pylon_zoo.data.download.transfer import transfer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits end at once; what is said of them stays."""
    monkeypatch.setattr(Watch, "wait", lambda watch, seconds: watch.check())


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@dataclass
class Heard:
    """A watch, and what it was told."""

    bytes: int = 0
    said: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    on_count: Callable[[Heard], None] = lambda heard: None

    @property
    def watch(self) -> Watch:
        def count(size: int) -> None:
            self.bytes += size
            self.on_count(self)

        return Watch(count, self.said.append, self.stop)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def tiny(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A release in place of the real one, with every checksum published."""
    release = put_tiny(server)
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(server))
    return release


@pytest.fixture
def remote(server: FileServer) -> RemoteFile:
    """A file with a published size and checksum."""
    server.files[PATH] = BODY
    return RemoteFile("file.bin", (f"{server.address}{PATH}",), len(BODY), f"sha256:{sha256(BODY).hexdigest()}")


@pytest.fixture
def unpublished(remote: RemoteFile) -> RemoteFile:
    """The same without."""
    return RemoteFile(remote.name, remote.addresses)


@pytest.fixture
def fetch(tmp_path: Path, heard) -> Callable[[RemoteFile], bytes]:
    """The bytes that arrive, once nothing else is left behind."""

    def fetch_(file: RemoteFile) -> bytes:
        path = transfer(file, tmp_path, heard.watch)
        assert list(tmp_path.iterdir()) == [path]
        return path.read_bytes()

    return fetch_
