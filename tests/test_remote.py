"""Files at addresses: what drivers raise comes out as an error of a file, in one sentence."""

from __future__ import annotations

import sys
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pylon_zoo import remote
from pylon_zoo.errors import ConfigError, MissingDependencyError


class Failing(MemoryFileSystem):
    """A store that refuses in a way of its own."""

    protocol = "failing"

    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        raise RuntimeError("no credentials\nat all")

    cat_file = info = _open


@pytest.fixture
def failing() -> None:
    fsspec.register_implementation("failing", Failing, clobber=True)


def test_a_missing_driver_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingDependencyError, match=r"^'s3://b/1.png' needs the package 's3fs', .*pip install s3fs$"):
        remote.connect("s3://b/1.png")


def test_a_protocol_that_does_not_exist_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"No driver is known for 'memry://'.*Did you mean 'memory'"):
        remote.connect("memry://b/1.png")


@pytest.mark.parametrize("ask", [remote.read_bytes, remote.version, lambda address: remote.open_binary(address).read()])
def test_whatever_a_driver_raises_is_an_error_of_a_file(ask: Any, failing: None) -> None:
    with pytest.raises(OSError, match=r"^RuntimeError: no credentials$"):
        ask("failing://b/1.png")


def test_files_come_and_go(tmp_path) -> None:
    (tmp_path / "2.txt").write_bytes(b"twice")
    remote.write_bytes("memory://come/and/1.txt", b"once")
    remote.upload(tmp_path / "2.txt", "memory://come/and/go/2.txt")
    assert sorted(remote.listing("memory://come/and")) == [
        ("memory://come/and/1.txt", False),
        ("memory://come/and/go", True),
    ]
    assert sorted(remote.matches("memory://come/*/*")) == sorted(remote.listing("memory://come/and"))
    with remote.open_binary("memory://come/and/go/2.txt") as file:
        file.seek(2)
        assert file.read() == b"ice"
    assert remote.is_file("memory://come/and/1.txt")
    assert not remote.is_file("memory://come/and")
    assert remote.is_folder("memory://come/and")
    before = remote.version("memory://come/and/1.txt")
    remote.write_bytes("memory://come/and/1.txt", b"again")
    assert remote.version("memory://come/and/1.txt") != before
    remote.remove("memory://come")
    remote.remove("memory://come")
    assert not remote.is_folder("memory://come")
