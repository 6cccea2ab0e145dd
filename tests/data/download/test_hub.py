"""Releases on the Hugging Face Hub: the Hub's own checksums, its endpoint, its token and its refusals."""

from __future__ import annotations

from hashlib import sha1, sha256
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub
from loopback_hub.store import etag
from PIL import Image
from tiny_releases import png, put_nih, tree_of

from pylon_zoo.data import open_dataset
from pylon_zoo.data.download import download, releases
from pylon_zoo.data.download.hub import on_the_web
from pylon_zoo.data.download.records import read_record
from pylon_zoo.data.download.table import Part, RemoteFile
from pylon_zoo.errors import DownloadError

REPO = "someone/NIH"
TEST = [f"{patient:08}_000.png" for patient in range(40, 50)]
TRAIN = [f"{patient:08}_{number:03}.png" for patient in range(1, 40) for number in range(2)]
TABLES = {
    "Data_Entry_2017_v2020.csv": "\n".join(
        ["Image Index,Finding Labels,Patient ID", *(f"{name},No Finding,{int(name[:8])}" for name in (*TRAIN, *TEST))]
    ),
    "BBox_List_2017.csv": f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{TEST[0]},Mass,10,20,30,40,,,\n",
    "train_val_list.txt": "\n".join(TRAIN),
    "test_list.txt": "\n".join(TEST),
}


@pytest.fixture
def nih(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The release as the mirror has it, in two archives, with images of both splits in each."""
    names = sorted((*TRAIN, *TEST), key=lambda name: name[::-1])
    images = {name: png(number) for number, name in enumerate(names)}
    halves = {1: dict(list(images.items())[:45]), 2: dict(list(images.items())[45:])}
    put_nih(hub, REPO, {name: text.encode() for name, text in TABLES.items()}, halves, monkeypatch)
    return images


def stored(hub: LoopbackHub, name: str) -> str:
    """Where the Hub keeps an archive itself, which the repository's address leads on to."""
    commit = hub.repos[REPO].commits[-1]
    return f"{etag(name, commit.files[name])}/{name}"


def test_a_release(nih, hub, tmp_path):
    outcome = download("nih-cxr14", tmp_path)
    assert (outcome.done, outcome.whole) == (6, True)
    assert [len(open_dataset(f"nih-cxr14:{tmp_path}", split)) for split in ("train", "val", "test")] == [70, 8, 10]
    tree = tree_of(tmp_path)
    assert {Path(name).name: one for name, one in tree.items() if name.endswith(".png")} == nih
    assert {name: tree[name].decode() for name in TABLES} == TABLES
    assert read_record(tmp_path, "images_001.zip").published.startswith("sha256:")
    assert read_record(tmp_path, "test_list.txt").published.startswith("git:")
    assert hub.count("POST", "paths-info") == 1


def test_only_the_test_images_and_the_rest_later(nih, hub, tmp_path):
    download("nih-cxr14", tmp_path, only=["tables", "test"])
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == TEST
    assert len(open_dataset(f"nih-cxr14:{tmp_path}", "test")) == 10
    requests = len(hub.log)
    assert download("nih-cxr14", tmp_path, only=["test"]).done == 0
    assert len(hub.log) == requests
    assert download("nih-cxr14", tmp_path).done == 2
    assert len(open_dataset(f"nih-cxr14:{tmp_path}", "train")) == 70


def test_the_list_comes_along(nih, tmp_path):
    download("nih-cxr14", tmp_path, only=["test"])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["test_list.txt"]
    assert len(list(tmp_path.rglob("*.png"))) == 10


def test_same_length_and_other_bytes(nih, hub, tmp_path):
    hub.fail("corrupted", file=stored(hub, "data/images/images_001.zip"))
    with pytest.raises(DownloadError, match=r"its sha256 is .* was published, so that nothing of it was kept"):
        download("nih-cxr14", tmp_path)
    hub.faults.clear()
    assert download("nih-cxr14", tmp_path).done == 1


def test_a_cut_connection(nih, hub, tmp_path):
    hub.fail("cut", file=stored(hub, "data/images/images_001.zip"), times=1)
    assert download("nih-cxr14", tmp_path).done == 6
    assert Image.open(next(tmp_path.rglob("*.png"))).size == (32, 32)


@pytest.mark.parametrize("fault", ["429", "503", "500"])
def test_a_hub_that_is_busy(nih, hub, tmp_path, fault, capsys):
    hub.fail(fault, file="paths-info/" + releases.NIH_MIRROR.partition("@")[2][:40], methods=("POST",), times=2)
    assert download("nih-cxr14", tmp_path, notes=True).done == 6
    assert f"{hub.address} answered {fault}: trying again in" in capsys.readouterr().err


@pytest.mark.parametrize(("fault", "advice"), [("401", "HF_TOKEN"), ("403 gated", "HF_TOKEN"), ("404", "is gone")])
def test_a_hub_that_says_no(nih, hub, tmp_path, fault, advice):
    hub.fail(fault, file="", methods=("POST",))
    with pytest.raises(DownloadError, match=rf"^The dataset {REPO} cannot be had from the Hub: .*{advice}"):
        download("nih-cxr14", tmp_path)


def test_offline(nih, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"offline mode \(HF_HUB_OFFLINE\) allows no download"):
        download("nih-cxr14", tmp_path)


def test_a_file_that_the_repository_lacks(hub, heard):
    commit = hub.add(REPO, {"a.txt": b"a"})
    with pytest.raises(DownloadError, match=r"has no file 'b\.txt' on the Hub"):
        on_the_web([RemoteFile("b.txt", (f"hub:{REPO}@{commit}/b.txt",))], heard.watch)


def test_addresses_sizes_checksums_and_the_token(hub, heard):
    commit = hub.add(REPO, {"a.txt": b"text", "b.zip": b"archive"})
    files = [RemoteFile(name, (f"hub:{REPO}@{commit}/{name}",)) for name in ("a.txt", "b.zip")]
    elsewhere = RemoteFile("c", ("https://example.invalid/c",))
    small, large, other = on_the_web([*files, elsewhere], heard.watch)
    assert small.addresses == (f"{hub.address}/datasets/{REPO}/resolve/{commit}/a.txt",)
    assert (small.size, small.checksum) == (4, f"git:{sha1(b'blob 4' + bytes(1) + b'text').hexdigest()}")
    assert (large.size, large.checksum) == (7, f"sha256:{sha256(b'archive').hexdigest()}")
    assert small.headers == {"Authorization": f"Bearer {TOKEN}"}
    assert other == elsewhere


def test_the_token_goes_to_the_hub_alone(nih, hub, tmp_path):
    download("nih-cxr14", tmp_path)
    bearing = {path.split("/")[1] for path, authorized in hub.authorized if authorized}
    assert bearing == {"api", "datasets"}
    assert {authorized for path, authorized in hub.authorized if path.startswith("/objects/")} == {False}


def test_parts_belong_to_what_the_lists_say(nih):
    parts: dict[str, Part] = dict(releases.RELEASES["nih_cxr14"].sources["hub"])
    assert list(parts) == ["tables", "images_001", "images_002", "test", "train"]
    assert [part.default for part in parts.values()] == [True, True, True, False, False]
