"""One file, however often it breaks off: whole in the end, and never glued of two versions."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest
from loopback_files import Fault
from transfers import BODY, OTHER, PATH, refused, stop_after

from pylon_zoo.data.download import transfer as module
from pylon_zoo.data.download.patience import TRIES, StoppedError
from pylon_zoo.data.download.transfer import transfer
from pylon_zoo.errors import DiskFullError, DownloadError


def test_a_good_server(server, remote, fetch, heard):
    assert fetch(remote) == BODY
    assert heard.bytes == len(BODY)
    assert heard.said == []
    assert server.asked(PATH) == [None]


@pytest.mark.parametrize("published", [True, False])
def test_a_connection_that_is_cut_goes_on_where_it_was(server, remote, unpublished, fetch, heard, published):
    server.fail(PATH, Fault(sent=100_000), Fault(sent=50_000))
    assert fetch(remote if published else unpublished) == BODY
    assert server.asked(PATH) == [None, "bytes=100000-", "bytes=150000-"]
    assert server.asked(PATH, "If-Range") == [None, *[f'"{md5(BODY).hexdigest()}"'] * 2]
    assert heard.bytes == len(BODY)
    assert "ended after 100,000 of 300,000 bytes: trying again in 1 second" in heard.said[0]
    assert "trying again in 2 seconds" in heard.said[1]


def test_a_connection_that_is_cut_again_and_again(server, remote, fetch, tmp_path):
    server.faults[PATH] = [Fault(sent=10)]
    message = refused(fetch, remote)
    assert f"{server.host} ended after" in message
    assert f"{TRIES} times in a row. Run the same command again later" in message
    assert (tmp_path / "file.bin.part").stat().st_size == 10 * TRIES
    server.faults.clear()
    assert fetch(remote) == BODY
    assert server.asked(PATH)[-1] == f"bytes={10 * TRIES}-"


def test_progress_is_patient(server, remote, fetch, monkeypatch):
    monkeypatch.setattr(module, "PROGRESS", 1000)
    server.fail(PATH, *[Fault(sent=20_000)] * (2 * TRIES))
    assert fetch(remote) == BODY


def test_a_server_that_ignores_ranges_starts_anew(server, remote, fetch, heard):
    server.fail(PATH, Fault(sent=100_000), Fault(whole=True, sent=150_000), Fault(whole=True))
    assert fetch(remote) == BODY
    assert heard.bytes == len(BODY)


def test_a_file_that_changed_between_two_runs_is_not_glued(server, unpublished, fetch, heard, tmp_path):
    stop_after(heard, 100_000)
    server.fail(PATH, Fault(sent=100_000, stall=True))
    server.resume.set()
    with pytest.raises(StoppedError):
        transfer(unpublished, tmp_path, heard.watch)
    assert 0 < (tmp_path / "file.bin.part").stat().st_size < len(BODY)
    server.files[PATH] = OTHER
    again = type(heard)()
    assert transfer(unpublished, tmp_path, again.watch).read_bytes() == OTHER
    assert again.bytes == len(OTHER)


def test_a_file_that_changed_and_a_server_that_does_not_look(server, unpublished, fetch, heard):
    """It ignores If-Range and goes on with the other version, but cannot hide that version's ETag."""
    server.fail(
        PATH, Fault(sent=100_000), Fault(change=lambda body: OTHER, same=True), Fault(change=lambda body: OTHER)
    )
    assert fetch(unpublished) == OTHER
    assert "has another version of 'file.bin' now" in heard.said[1]


def test_a_file_that_changed_and_a_server_that_does_not_look_and_hides_it(server, unpublished, fetch, heard):
    """Without a checksum, nothing vouches for what it goes on with."""
    nameless = Fault(change=lambda body: OTHER, same=True, headers={"ETag": None})
    server.fail(PATH, Fault(sent=100_000), nameless, Fault(change=lambda body: OTHER))
    assert fetch(unpublished) == OTHER
    assert server.asked(PATH) == [None, "bytes=100000-", None]


def test_killed_when_it_has_just_begun_anew(server, unpublished, fetch, tmp_path, monkeypatch, heard):
    """The note of the new version must not stand beside the bytes of the old one."""
    server.fail(PATH, Fault(sent=100_000), Fault(change=lambda body: OTHER, whole=True))
    monkeypatch.setattr(module._Transfer, "_write", _killed_the_second_time(module._Transfer._write))
    with pytest.raises(KeyboardInterrupt):
        fetch(unpublished)
    monkeypatch.undo()
    server.files[PATH] = OTHER
    assert transfer(unpublished, tmp_path, heard.watch).read_bytes() == OTHER


def _killed_the_second_time(write: Callable[..., None]) -> Callable[..., None]:
    calls: list[object] = []

    def write_(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    return write_


def test_a_file_that_changed_and_a_server_that_names_no_version(server, remote, fetch, heard):
    """Then the published checksum notices, and the whole is downloaded once more."""
    nameless = {"ETag": None}
    server.fail(
        PATH,
        Fault(headers=nameless, change=lambda body: OTHER, sent=100_000),
        Fault(headers=nameless),
        Fault(headers=nameless),
    )
    assert fetch(remote) == BODY
    assert server.asked(PATH) == [None, "bytes=100000-", None]
    assert "downloading it anew" in heard.said[-1]


def test_no_version_and_no_checksum_start_anew(server, unpublished, fetch, heard):
    server.fail(PATH, Fault(headers={"ETag": None}, sent=100_000), Fault(headers={"ETag": None}))
    assert fetch(unpublished) == BODY
    assert server.asked(PATH) == [None, None]
    assert "cannot be gone on with: downloading it anew" in heard.said[-1]


def test_a_weak_etag_goes_on_by_the_date(server, unpublished, fetch):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    weak = {"ETag": 'W/"1"', "Last-Modified": date}
    server.fail(PATH, Fault(headers=weak, sent=100_000), Fault(headers=weak, same=True))
    assert fetch(unpublished) == BODY
    assert server.asked(PATH, "If-Range") == [None, date]


def test_another_part_than_asked_for(server, remote, fetch):
    wrong = Fault(206, {"Content-Range": "bytes 200000-299999/300000", "Content-Length": "0"})
    server.fail(PATH, Fault(sent=100_000), wrong)
    assert fetch(remote) == BODY


def test_a_part_that_is_larger_than_the_file(server, remote, fetch, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY + OTHER)
    version = {"format": 1, "address": remote.addresses[0], "etag": "", "modified": "", "total": None}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(version), encoding="utf-8")
    assert fetch(remote) == BODY


def test_a_part_that_is_whole(server, remote, fetch, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    version = {"format": 1, "address": remote.addresses[0], "etag": "", "modified": "", "total": len(BODY)}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(version), encoding="utf-8")
    assert fetch(remote) == BODY
    assert server.asked(PATH) == ["bytes=300000-"]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"format": 2}', '{"format": 1, "address": "x"}', '{"format": 1, "etag": 3, "more": 4}']
)
def test_half_a_download_by_another_version(server, remote, fetch, heard, tmp_path, note):
    (tmp_path / "file.bin.part").write_bytes(OTHER[:1000])
    (tmp_path / "file.bin.part.json").write_text(note, encoding="utf-8")
    assert fetch(remote) == BODY
    assert server.asked(PATH) == [None]
    assert len(heard.said) == 1
    assert "file.bin.part' cannot be gone on with: downloading it anew" in heard.said[0]


def test_stopped_midway_and_gone_on_with(server, remote, heard, tmp_path):
    server.fail(PATH, Fault(sent=120_000, stall=True))
    server.resume.set()
    stop_after(heard, 60_000)
    with pytest.raises(StoppedError):
        transfer(remote, tmp_path, heard.watch)
    have = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < have < len(BODY)
    again = type(heard)()
    assert transfer(remote, tmp_path, again.watch).read_bytes() == BODY
    assert server.asked(PATH)[-1] == f"bytes={have}-"


def test_what_is_counted_is_on_the_disk(server, remote, heard, tmp_path):
    """So that a process that is killed loses nothing that it has shown."""
    sizes: list[int] = []
    part = tmp_path / "file.bin.part"
    heard.on_count = lambda heard: sizes.append(heard.bytes - (part.stat().st_size if part.is_file() else 0))
    server.fail(PATH, Fault(sent=10), Fault(sent=100))
    transfer(remote, tmp_path, heard.watch)
    assert len(sizes) > 3
    assert set(sizes) == {0}


def test_stopped_while_it_waits(server, remote, heard, tmp_path, monkeypatch):
    server.faults[PATH] = [Fault(503)]
    watch = heard.watch
    watch.say = lambda sentence: heard.stop.set()
    with pytest.raises(StoppedError):
        transfer(remote, tmp_path, watch)
    assert len(server.asked(PATH)) == 1


def test_a_full_disk(server, remote, fetch, monkeypatch, tmp_path):
    real = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **more: object):
        file = real(path, mode, *rest, **more)
        if path.suffix == ".part":
            return _Full(file)
        return file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(DiskFullError, match=f"{tmp_path} cannot take more: no space is left"):
            fetch(remote)
    have = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < have < len(BODY)
    assert fetch(remote) == BODY
    assert server.asked(PATH)[-1] == f"bytes={have}-"


class _Full:
    """A file on a disk with room for little more."""

    def __init__(self, file):
        self.file, self.left = file, 100_000

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, chunk):
        if len(chunk) > self.left:
            self.file.write(chunk[: self.left])
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= len(chunk)
        return self.file.write(chunk)


def test_a_folder_in_the_way(remote, heard, tmp_path):
    (tmp_path / "file.bin.part").mkdir()
    with pytest.raises(DownloadError, match=r"file\.bin\.part' cannot be written: Is a directory"):
        transfer(remote, tmp_path, heard.watch)
