"""The tables: every line names what exists here, and promises nothing that nobody publishes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torchvision.datasets.voc import DATASET_YEAR_DICT

import pylon_zoo
from pylon_zoo.data.download import AGREEMENTS, RELEASES
from pylon_zoo.data.download.checksums import KINDS
from pylon_zoo.data.download.hub import ADDRESS
from pylon_zoo.data.download.plan import find_release, in_bytes, plan
from pylon_zoo.data.download.table import RemoteFile
from pylon_zoo.data.registry import DATASETS, parse_data_options

FILES = [(name, file) for name, one in RELEASES.items() for source in one.sources for file in one.files(source)]
DIGITS = {"sha256": 64, "md5": 32, "git": 40}
PAGE = Path(pylon_zoo.__file__).resolve().parents[1] / "docs" / "datasets.md"


@pytest.mark.parametrize(("name", "file"), FILES, ids=lambda value: getattr(value, "name", None))
def test_a_file(name: str, file: RemoteFile):
    for address in file.addresses:
        assert ADDRESS.fullmatch(address) or re.fullmatch(r"https?://[^\s]+", address)
    kind, _, value = file.checksum.partition(":")
    if file.checksum:
        assert kind in KINDS
        assert re.fullmatch(rf"[0-9a-f]{{{DIGITS[kind]}}}", value)
    assert file.size is None or file.size > 0
    assert not Path(file.name).is_absolute()
    assert ".." not in Path(file.name).parts
    if any(address.startswith("http://") for address in file.addresses):
        assert file.checksum  # others on the way could change it


@pytest.mark.parametrize("name", RELEASES)
def test_a_release(name: str):
    release = RELEASES[name]
    assert name in DATASETS
    assert release.home.startswith(("http://", "https://"))
    assert all((release.what, release.terms, release.sources))
    for source, parts in release.sources.items():
        files = {file.name for file in release.files(source)}
        assert plan(release, source, list(parts))
        for part in parts.values():
            assert part.listed_in is None or part.listed_in in files
            parse_data_options(part.options)
            assert all(option.partition("=")[0] in DATASETS[name].options for option in part.options)


@pytest.mark.parametrize("name", AGREEMENTS)
def test_an_agreement(name: str):
    agreement = AGREEMENTS[name]
    assert name in DATASETS
    assert agreement.home.startswith("https://")
    for way in agreement.sources.values():
        texts = [step.format(root="DIR") for step in way.steps]
        assert any("https://" in text for text in texts)
        assert any("DIR" in text for text in texts)
        assert not any("{" in text for text in texts if not text.startswith("$"))


def test_voc_is_where_torchvision_finds_it():
    ours = {file.addresses[0]: file.checksum for name, file in FILES if name == "voc"}
    theirs = [DATASET_YEAR_DICT[key] for key in ("2012", "2007", "2007-test")]
    assert ours == {one["url"]: f"md5:{one['md5']}" for one in theirs}


def test_nih_has_twelve_archives_from_either_source():
    for source in ("hub", "nih"):
        tasks = plan(RELEASES["nih_cxr14"], source, [*RELEASES["nih_cxr14"].sources[source]])
        archives = [task.file for task in tasks if task.file.unpacking]
        assert [file.name.partition(".")[0] for file in archives] == [f"images_{n:03}" for n in range(1, 13)]
        assert len({file.addresses[0] for file in archives}) == 12


def test_a_split_reads_every_archive_and_both_splits_are_all():
    release = RELEASES["nih_cxr14"]
    test = plan(release, "hub", ["test"])
    assert [task.lists for task in test] == [None, *[("test_list.txt",)] * 12]
    assert sum(task.share for task in test if task.file.unpacking) == pytest.approx(12 * 25_596 / 112_120)
    both = plan(release, "hub", ["test", "train"])
    assert {task.lists for task in both if task.file.unpacking} == {("test_list.txt", "train_val_list.txt")}
    assert {task.share for task in both if task.file.unpacking} == {1.0}
    assert {task.lists for task in plan(release, "hub", ["test", "images_003"])} == {None, ("test_list.txt",)}


@pytest.mark.parametrize(("name", "known"), [("pascal_voc", "voc"), ("NIH-cxr14".lower(), "nih_cxr14"), ("cub", "cub")])
def test_names(name: str, known: str):
    assert find_release(name)[0] == known


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (45e9, "45.0 GB"), (2e15, "2000.0 TB")]
)
def test_sizes_in_words(size: float, words: str):
    assert in_bytes(int(size)) == words


def test_the_page_names_every_one_of_them():
    page = PAGE.read_text(encoding="utf-8")
    for name in (*RELEASES, *AGREEMENTS):
        assert f"`{name.replace('_', '-')}`" in page.partition("## Getting the data")[2].partition("\n## ")[0]
