"""A whole release: everything in its place, nothing twice, and gone on with after whatever ended it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback_files import Fault
from systems import posix_only
from tiny_releases import tiny_release, tree_of, zip_of

from pylon_zoo.data import open_dataset
from pylon_zoo.data.download import download, releases
from pylon_zoo.data.download.records import FOLDER, read_record, read_records
from pylon_zoo.errors import ConfigError, DiskFullError, DownloadError, UnknownNameError

NAME = "chestx-det"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "release"


def state_of(root: Path) -> list[str]:
    """What lies in the hidden folder, records and the lock left out."""
    names = [path.name for path in (root / FOLDER).iterdir()]
    return sorted(name for name in names if not name.endswith(".done.json") and name != ".lock")


def test_a_release(tiny, root):
    outcome = download(NAME, root)
    assert (outcome.done, outcome.kept, outcome.whole) == (4, 0, True)
    assert tree_of(root) == tiny.trees
    assert state_of(root) == []
    assert [len(open_dataset(f"{NAME}:{root}", split)) for split in ("train", "val", "test")] == [26, 4, 10]


def test_what_is_there_is_not_downloaded_again(tiny, root):
    download(NAME, root)
    tiny.server.log.clear()
    outcome = download(NAME, root)
    assert (outcome.done, outcome.kept) == (0, 4)
    assert tiny.server.log == []


@pytest.mark.parametrize("damage", ["gone", "another size"])
def test_what_is_gone_is_downloaded_again(tiny, root, damage, capsys):
    download(NAME, root)
    path = root / "train_data" / "7.png"
    path.unlink() if damage == "gone" else path.write_bytes(b"")
    tiny.server.log.clear()
    assert download(NAME, root, notes=True).done == 1
    assert tree_of(root) == tiny.trees
    assert {one.path for one in tiny.server.log} == {"/train_data.zip"}
    assert "1 files of 'train_data.zip' are gone or changed, such as 'train_data/7.png'" in capsys.readouterr().err


def test_parts(tiny, root):
    outcome = download(NAME, root, only=["tables", "te*"])
    assert (outcome.done, outcome.whole) == (3, False)
    assert len(open_dataset(f"{NAME}:{root}", "test")) == 10
    assert not (root / "train_data").exists()
    assert download(NAME, root).done == 1
    assert tree_of(root) == tiny.trees


def test_archives_may_stay(tiny, root):
    download(NAME, root, keep_archives=True)
    assert state_of(root) == ["test_data.zip", "train_data.zip"]
    shutil.rmtree(root / "train_data")
    tiny.server.log.clear()
    assert download(NAME, root).done == 1
    assert tree_of(root) == tiny.trees
    assert tiny.server.log == []
    assert state_of(root) == ["test_data.zip"]


def test_an_archive_that_the_user_has_already(tiny, root):
    root.mkdir()
    (root / "train_data.zip").write_bytes(tiny.server.files["/train_data.zip"])
    (root / "test_data.zip").write_bytes(b"half of it")
    download(NAME, root)
    assert tiny.server.asked("/train_data.zip") == []
    assert len(tiny.server.asked("/test_data.zip")) == 1
    assert (root / "train_data.zip").is_file()
    assert (root / "test_data.zip").read_bytes() == b"half of it"
    tree = tree_of(root)
    assert {name: tree[name] for name in tiny.trees} == tiny.trees


def test_without_published_checksums_its_own_is_recorded(tiny, root, monkeypatch, capsys):
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(tiny.server, published=False))
    download(NAME, root)
    record = read_record(root, "train_data.zip")
    assert (record.published, len(record.sha256)) == ("", 64)
    assert tiny.server.log[0].method == "HEAD"  # for the sizes that nobody publishes
    shutil.rmtree(root / "train_data")
    tiny.server.files["/train_data.zip"] += b"\0"
    download(NAME, root, notes=True)
    assert "'train_data.zip' is another file than on " in capsys.readouterr().err
    assert read_record(root, "train_data.zip").sha256 != record.sha256


@pytest.mark.parametrize("published", [True, False])
def test_a_broken_archive(tiny, root, monkeypatch, published):
    tiny.server.files["/train_data.zip"] = tiny.server.files["/train_data.zip"][:-50]
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(tiny.server, published))
    with pytest.raises(
        DownloadError, match=r"^'train_data\.zip' cannot be unpacked \(.*nothing of it was kept"
    ) as error:
        download(NAME, root)
    assert ("It is the file that was published" in str(error.value)) == published
    assert state_of(root) == []
    assert set(tree_of(root)) == {name for name in tiny.trees if not name.startswith("train_data/")}


def test_an_archive_of_other_things(tiny, root, monkeypatch):
    tiny.server.files["/train_data.zip"] = zip_of({"readme.txt": b"moved"})
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(tiny.server))
    with pytest.raises(DownloadError, match=r"it has no files of the form \*\.png"):
        download(NAME, root)


def test_an_archive_that_leads_outside(tiny, root, monkeypatch):
    tiny.server.files["/train_data.zip"] = zip_of({"train/1.png": b"", "../../outside.png": b"evil"})
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(tiny.server))
    with pytest.raises(DownloadError, match="would land outside the folder"):
        download(NAME, root)
    assert not list(root.parent.rglob("outside.png"))
    assert not (root / "train_data").exists()


def test_one_file_that_is_gone_keeps_the_others_from_nothing(tiny, root):
    tiny.server.faults["/train_data.zip"] = [Fault(404)]
    with pytest.raises(DownloadError, match=r"^'train_data\.zip' cannot be downloaded: .* answered 404"):
        download(NAME, root)
    assert (root / "test_data" / "30.png").is_file()
    tiny.server.faults.clear()
    assert download(NAME, root).done == 1
    assert tree_of(root) == tiny.trees


def test_several_that_are_gone_are_counted(tiny, root):
    tiny.server.faults |= {"/train_data.zip": [Fault(404)], "/test_data.zip": [Fault(404)]}
    with pytest.raises(DownloadError, match=r"^2 of 2 files did not arrive\. The first: 't"):
        download(NAME, root)


def test_too_little_space_is_said_before_anything_comes(tiny, root, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DiskFullError, match=r"has 1\.0 kB free, and this takes about .* of archives and .* of files"):
        download(NAME, root)
    assert {one.method for one in tiny.server.log} <= {"HEAD"}
    assert tree_of(root) == {}


def test_a_disk_that_fills_up_ends_all_of_it(tiny, root, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFullError, match="cannot take more: no space is left"):
            download(NAME, root, connections=1)
    assert not (root / "train_data").exists()
    download(NAME, root)
    assert tree_of(root) == tiny.trees


def test_a_folder_that_may_not_be_written_to(tiny, root, monkeypatch):
    root.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may do everything
    with pytest.raises(ConfigError, match="may not be written to"):
        download(NAME, root)


def test_a_folder_on_a_disk_that_may_only_be_read(tiny, root, monkeypatch):
    def refuse(path: Path, *args: object, **more: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    root.mkdir()
    monkeypatch.setattr(Path, "mkdir", lambda path, **more: refuse(path) if path.name == FOLDER else None)
    with pytest.raises(DownloadError, match=r"\.download' cannot be written: Read-only file system"):
        download(NAME, root)


def test_a_file_in_place_of_the_folder(tiny, root):
    root.write_bytes(b"")
    with pytest.raises(ConfigError, match="is a file"):
        download(NAME, root)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("chest-det", {}, r"nothing to download of the name 'chest-det'.*Did you mean 'chestx-det'"),
        ("nih", {}, "one of nih-cxr14, voc, chestx-det, cub, vindr-cxr"),
        ("visa", {}, "It is read with `--data` all the same"),
        (NAME, {"only": ["tain"]}, r"has no part 'tain': it has tables, train, test\. Did you mean 'train'"),
        (NAME, {"source": "hear"}, r"cannot be had from 'hear': one of here\. Did you mean 'here'"),
    ],
)
def test_unknown_names(tiny, root, name, more, message):
    with pytest.raises(UnknownNameError, match=message):
        download(name, root, **more)
    assert not root.exists()


def test_a_folder_of_another_dataset(tiny, root, monkeypatch):
    download(NAME, root)
    monkeypatch.setitem(releases.RELEASES, "cub", tiny_release(tiny.server))
    with pytest.raises(ConfigError, match=r"holds a download of 'chestx-det', no 'cub': give another folder"):
        download("cub", root)


@pytest.mark.parametrize("change", [lambda text: text.replace('"format": 1', '"format": 7'), lambda text: text[:50]])
def test_records_of_another_version(tiny, root, change):
    download(NAME, root)
    path = root / FOLDER / "train_data.zip.done.json"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert download(NAME, root).done == 1
    assert json.loads(path.read_text(encoding="utf-8"))["format"] == 1
    assert tree_of(root) == tiny.trees


def test_a_file_that_was_published_anew(tiny, root, monkeypatch, capsys):
    download(NAME, root)
    tiny.server.files["/ChestX_Det_test.json"] += b"\n"
    monkeypatch.setitem(releases.RELEASES, "chestx_det", tiny_release(tiny.server))
    assert download(NAME, root, notes=True).done == 1
    assert "'ChestX_Det_test.json' was published anew since" in capsys.readouterr().err
    assert (root / "ChestX_Det_test.json").read_bytes().endswith(b"\n")


def test_records_say_what_was_checked(tiny, root):
    download(NAME, root)
    for record in read_records(root):
        assert record.published == f"sha256:{record.sha256}"
        assert record.address == f"{tiny.server.address}/{record.name}"
        assert record.missing(root) == []


SCRIPT = """
import sys
sys.path.insert(0, {support!r})
from loopback_files import FileServer
from systems import posix_only
from tiny_releases import put_tiny, tiny_release
from pylon_zoo.cli.main import main
from pylon_zoo.data.download import releases
server = FileServer(address={address!r})
put_tiny(server)
releases.RELEASES["chestx_det"] = tiny_release(server, published=False)
sys.exit(main(["data", "download", "chestx-det", {root!r}]))
"""


@pytest.fixture
def hanging(tiny, root) -> Iterator[subprocess.Popen[str]]:
    """`pylon-zoo data download` in a process of its own, which has half of a file and waits for the other half."""
    support = Path(__file__).resolve().parents[2] / "support"
    script = SCRIPT.format(support=str(support), address=tiny.server.address, root=str(root))
    size = len(tiny.server.files["/train_data.zip"])
    tiny.server.fail("/train_data.zip", Fault(sent=size // 2, stall=True))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=-1, stderr=-1, text=True)
    part = root / FOLDER / "train_data.zip.part"
    for _ in range(6000):
        if part.is_file() and part.stat().st_size == size // 2:
            break
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def goes_on(tiny, root: Path) -> None:
    """The other half of the file, and everything else, by the same call in this process."""
    tiny.server.resume.set()
    download(NAME, root)
    assert tree_of(root) == tiny.trees
    half = len(tiny.server.files["/train_data.zip"]) // 2
    assert tiny.server.asked("/train_data.zip") == [None, f"bytes={half}-"]


@pytest.mark.slow
@posix_only  # which have a signal for Ctrl-C
def test_a_second_process_and_ctrl_c_midway(tiny, root, hanging):
    with pytest.raises(
        ConfigError, match=rf"is being written by another process \(process {hanging.pid}\)\. Wait until"
    ):
        download(NAME, root)
    begun = time.monotonic()
    hanging.send_signal(signal.SIGINT)
    _, message = hanging.communicate(timeout=280)
    assert time.monotonic() - begun < 240  # the server would say something after five minutes
    assert hanging.returncode == 130
    assert message.splitlines()[-2:] == [
        "What has arrived is kept: the same command goes on with it.",
        "pylon-zoo: error: interrupted",
    ]
    goes_on(tiny, root)


def test_killed_midway(tiny, root, hanging):
    hanging.kill()
    hanging.communicate(timeout=280)
    goes_on(tiny, root)
