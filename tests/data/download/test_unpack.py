"""Archives: everything that is to be kept and nothing else, all of it or nothing, and never outside the folder."""

from __future__ import annotations

import io
import os
import random
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from pylon_zoo.data.download import members
from pylon_zoo.data.download.members import DamagedError, read_members
from pylon_zoo.data.download.patience import StoppedError, Watch
from pylon_zoo.data.download.table import Unpacking
from pylon_zoo.data.download.unpack import unpack
from pylon_zoo.errors import DownloadError

FILES = {f"set/images/{n:03}.png": random.Random(n).randbytes(3000) for n in range(20)}
EXTRA = {"set/read me.txt": b"hello", "set/images/._000.png": b"mac", "__MACOSX/set/images/000.png": b"mac"}
EVERYTHING = Unpacking()


def as_zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.mkdir("set")
        for name, one in files.items():
            archive.writestr(name, one)
    return content.getvalue()


def as_tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        archive.addfile(_folder("set"))
        for name, one in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(one)
            archive.addfile(info, io.BytesIO(one))
    return content.getvalue()


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": as_zip,
    "stored zip": lambda files: as_zip(files, zipfile.ZIP_STORED),
    "tar": lambda files: as_tar(files, "w:"),
    "tar.gz": as_tar,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / ".download").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def unpacked(root: Path, heard) -> Callable[..., list[str]]:
    """Unpack these bytes; the paths of what it says there is now."""

    def unpacked_(content: bytes, rule: Unpacking = EVERYTHING, wanted: set[str] | None = None) -> list[str]:
        archive = root / ".download" / "archive"
        archive.write_bytes(content)
        staging = root / ".download" / "archive.unpacking"
        found = unpack(archive, rule, root, staging, wanted, heard.watch)
        assert not staging.exists()
        for path, size, crc in found:
            assert ((root / path).stat().st_size, zlib.crc32((root / path).read_bytes())) == (size, crc)
        return [path for path, _, _ in found]

    return unpacked_


def there(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in names.items() if not name.startswith(".download")}


def outside(root: Path) -> set[str]:
    return {path.name for path in root.parent.iterdir()} - {"root"}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_archives(unpacked, root, kind):
    assert unpacked(KINDS[kind](FILES | EXTRA)) == [*FILES, "set/read me.txt"]
    assert there(root) == FILES | {"set/read me.txt": b"hello"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (Unpacking("images_001/images", "*.png", depth=1), "images_001/images/000.png"),
        (Unpacking("dataset/CUB", "set/images/*.png", depth=2), "dataset/CUB/images/000.png"),
        (Unpacking("", "set/*.png"), "set/images/000.png"),
    ],
)
def test_rules(unpacked, root, kind, rule, first):
    assert unpacked(KINDS[kind](FILES | EXTRA), rule)[0] == first
    assert list(there(root).values()) == list(FILES.values()) or set(there(root).values()) == set(FILES.values())
    assert len(there(root)) == len(FILES)


def test_only_what_is_listed(unpacked, root):
    wanted = {"003.png", "017.png", "not there.png"}
    assert unpacked(as_zip(FILES), Unpacking("images", "*.png", depth=1), wanted) == [
        "images/003.png",
        "images/017.png",
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "../outside.png",
        "set/../../outside.png",
        "/outside.png",
        "set/..",
        "..\\outside.png",
        "C:\\outside.png",
        "\\\\server\\outside.png",
        "../outside.txt",  # that the rule would leave out
    ],
)
def test_nothing_lands_outside(unpacked, root, kind, name):
    with pytest.raises(DownloadError, match="would land outside the folder, so that nothing of it was unpacked"):
        unpacked(KINDS[kind]({**FILES, name: b"evil"}), Unpacking("images", "*.png", depth=1))
    assert there(root) == {}
    assert outside(root) == set()
    assert not (root / ".download" / "archive.unpacking").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar(unpacked, root, kind):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:") as archive:
        info = tarfile.TarInfo("set/link.png")
        info.type, info.linkname = kind, "/etc/hostname"
        archive.addfile(info)
    with pytest.raises(
        DownloadError, match=r"has the link or device 'set/link\.png', which no release of images needs"
    ):
        unpacked(content.getvalue())
    assert there(root) == {}


def test_links_of_a_zip(unpacked, root):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("set/link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(DownloadError, match="has the link or device"):
        unpacked(content.getvalue())
    assert there(root) == {}


def test_a_link_that_a_tar_writes_through(unpacked, root):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:") as archive:
        link = tarfile.TarInfo("set")
        link.type, link.linkname = tarfile.SYMTYPE, str(root.parent)
        archive.addfile(link)
        info = tarfile.TarInfo("set/outside.png")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    assert unpacked(content.getvalue(), Unpacking("", "*.png")) == ["set/outside.png"]  # the link itself is not kept
    assert outside(root) == set()


def test_a_member_that_is_too_large(unpacked, root, monkeypatch):
    monkeypatch.setattr(members, "LARGEST", 2999)
    with pytest.raises(DownloadError, match="of 3,000 bytes, which no release of images needs"):
        unpacked(as_zip(FILES))


def test_two_files_of_one_name(unpacked, root):
    files = {"a/1.png": b"one", "b/1.png": b"two"}
    with pytest.raises(DownloadError, match=r"has two files for 'images/1\.png'"):
        unpacked(as_zip(files), Unpacking("images", "*.png", depth=1))
    assert there(root) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_archive(unpacked, root, kind):
    content = KINDS[kind](FILES)
    for share in (0.2, 0.5, 0.8, *((0.999,) if kind != "tar" else ())):  # a tar ends in kilobytes of nothing
        with pytest.raises(DamagedError):
            unpacked(content[: int(len(content) * share)])
        assert there(root) == {}


def test_a_plain_tar_that_is_cut_between_two_files(unpacked, root):
    content = as_tar(FILES, "w:")
    with pytest.raises(DamagedError, match="it ends in the middle"):
        unpacked(content[: 512 + 10 * (512 + 3072)])
    assert there(root) == {}


@pytest.mark.parametrize("kind", ["zip", "stored zip", "tar.gz"])
def test_another_bit(unpacked, root, kind):
    content = bytearray(KINDS[kind](FILES))
    content[len(content) // 2] ^= 4
    with pytest.raises(DamagedError):
        unpacked(bytes(content))
    assert there(root) == {}


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"PK", b"\x1f\x8b\x08"])
def test_no_archive(unpacked, content):
    with pytest.raises(DamagedError, match=r"it is not a whole zip, tar or tar\.gz: "):
        unpacked(content)


def test_a_zip_with_a_password(unpacked):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("1.png", b"one")
    locked = bytearray(content.getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    with pytest.raises(DamagedError, match="encrypted"):
        unpacked(bytes(locked))


def test_stopped_midway_and_gone_on_with(unpacked, root, heard):
    rule = Unpacking("images", "*.png", depth=1)
    with (
        patch("pylon_zoo.data.download.unpack.read_members", _stopping(heard.stop, after=7)),
        pytest.raises(StoppedError),
    ):
        unpacked(as_zip(FILES), rule)
    staging = root / ".download" / "archive.unpacking"
    assert len(list((staging / "images").iterdir())) == 7
    assert there(root) == {}
    (staging / "images" / "003.png").write_bytes(b"half")
    (staging / "images" / "004.png").write_bytes(bytes(3000))
    (staging / "images" / "from before.png").write_bytes(b"of another archive")
    first = (staging / "images" / "000.png").stat().st_mtime_ns
    heard.stop.clear()
    assert len(unpacked(as_zip(FILES), rule)) == 20
    assert there(root) == {f"images/{Path(name).name}": content for name, content in FILES.items()}
    assert (root / "images" / "000.png").stat().st_mtime_ns == first  # it was not written again


def _stopping(stop: threading.Event, after: int) -> Callable[..., Iterator[members.Member]]:
    def read(*args: object) -> Iterator[members.Member]:
        for number, member in enumerate(read_members(*args)):
            if number == after:
                stop.set()
            yield member

    return read


def test_killed_while_it_moves(unpacked, root):
    """Half of the files are in their place, half are not, and one of the former is damaged."""
    rule = Unpacking("images", "*.png", depth=1)
    (root / "images").mkdir()
    real, moved = os.replace, []

    def replace(source, target):
        if len(moved) == 5:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    with (
        patch.object(Path, "replace", lambda source, target: replace(source, target)),
        pytest.raises(KeyboardInterrupt),
    ):
        unpacked(as_zip(FILES), rule)
    assert len(there(root)) == 5
    (root / "images" / "002.png").write_bytes(b"damaged")
    unpacked(as_zip(FILES), rule)
    assert there(root) == {f"images/{Path(name).name}": content for name, content in FILES.items()}


def test_other_files_of_the_folder_stay(unpacked, root):
    (root / "images").mkdir()
    (root / "images" / "mine.png").write_bytes(b"mine")
    (root / "images" / "000.png").write_bytes(b"an old one")
    unpacked(as_zip(FILES), Unpacking("images", "*.png", depth=1))
    assert there(root)["images/mine.png"] == b"mine"
    assert there(root)["images/000.png"] == FILES["set/images/000.png"]


def test_a_file_where_a_folder_should_be(unpacked, root):
    (root / "images").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="cannot be written"):
        unpacked(as_zip(FILES), Unpacking("images", "*.png", depth=1))
    assert (root / "images").read_bytes() == b"mine"


def test_a_watch_that_is_never_stopped_stops_nothing(root):
    archive = root / "archive.zip"
    archive.write_bytes(as_zip(FILES))
    quiet = Watch(lambda size: None, lambda sentence: None, threading.Event())
    assert len(unpack(archive, EVERYTHING, root, root / ".download" / "x", None, quiet)) == len(FILES)
