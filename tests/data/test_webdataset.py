"""Shards of images: read where they lie, in any order, by any number of processes, from any step on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from prediction_inputs import encoded, write_tar

from pylon_zoo.data.images import read_image_bytes
from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.webdataset import WebDataset
from pylon_zoo.errors import ConfigError, DataError, ImageError, UnknownNameError
from pylon_zoo.training.loaders import training_loader
from pylon_zoo.training.order import EpochPlan


def labelled(**said: Any) -> bytes:
    return json.dumps(said).encode()


def write_shards(root: Path, split: str, count: int, per_shard: int = 5) -> None:
    """Images of noise, each other one with a mass."""
    for first in range(0, count, per_shard):
        members = {}
        for number in range(first, min(first + per_shard, count)):
            members[f"{number:04d}.png"] = encoded(number + 1000 * len(split))
            members[f"{number:04d}.json"] = labelled(labels=["mass"] * (number % 2), patient=f"{split}-{number // 2}")
        root.mkdir(parents=True, exist_ok=True)
        write_tar(root / f"{split}-{first // per_shard}.tar", members)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards to train on, one to validate on."""
    write_shards(tmp_path, "train", 13)
    write_shards(tmp_path, "val", 4)
    return tmp_path


def test_images_labels_and_patients_are_those_of_the_shards(shards: Path) -> None:
    data = open_dataset(f"webdataset:{shards}", "train", channels=1)
    assert (len(data), data.classes, data.patients[:3]) == (13, ("mass",), ["train-0", "train-0", "train-1"])
    assert data.targets().flatten().tolist() == [number % 2 for number in range(13)]
    for number in (12, 0, 7):
        assert torch.equal(data[number].image, read_image_bytes(encoded(number + 5000), "one.png"))
    assert data[7].path == str(shards / "train-1.tar" / "0007")
    assert len(open_dataset(f"webdataset:{shards}", "val")) == 4
    assert len(open_dataset(f"webdataset:{shards}", "test")) == 0


def test_labels_as_a_table_boxes_and_their_size(tmp_path: Path) -> None:
    said = {
        "labels": {"mass": 1, "edema": 0, "nodule": None, "fluid": -1},
        "boxes": [["mass", 10, 20, 30, 40]],
        "size": [80, 96],
    }
    write_tar(tmp_path / "train-0.tar", {"./a/b.c.png": encoded(1), "./a/b.json": labelled(**said)})
    data = WebDataset(tmp_path, "train", uncertain="ones")
    assert data.classes == ("edema", "fluid", "mass", "nodule")
    sample = data[0]
    assert sample.target[:3].tolist() == [0, 1, 1]
    assert math.isnan(sample.target[3])
    assert sample.boxes.tolist() == [[2, 5, 10, 15, 20]]  # the image on disk is 40 by 48
    assert sample.image.shape == (3, 40, 48)
    assert WebDataset(tmp_path, "train", classes="mass,edema,nodule,fluid").targets()[0, 0] == 1


def test_numbers_of_classes_as_webdataset_writes_them(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    members = {"a.png": encoded(1), "a.cls": b"2", "b.jpg": encoded(2, kind="jpeg"), "b.cls": b"0 1"}
    write_tar(tmp_path / "val" / "0.tar", members)
    (tmp_path / "classes.txt").write_text("normal\nmass\nedema\n", encoding="utf-8")
    data = WebDataset(tmp_path, "val")
    assert data.classes == ("normal", "mass", "edema")
    assert data.targets().tolist() == [[0, 0, 1], [1, 1, 0]]
    (tmp_path / "classes.txt").unlink()
    assert WebDataset(tmp_path, "val").classes == ("class_0", "class_1", "class_2")


def test_without_splits_a_hash_of_the_patient_decides(tmp_path: Path) -> None:
    write_shards(tmp_path, "scans", 200, per_shard=70)
    found = {split: set(WebDataset(tmp_path, split).patients) for split in ("train", "val", "test")}
    assert sum(map(len, found.values())) == len(set.union(*found.values())) == 100
    assert len(found["train"]) > len(found["test"]) > 0
    (tmp_path / "elsewhere").mkdir()
    for shard in tmp_path.glob("*.tar"):
        shard.rename(tmp_path / "elsewhere" / shard.name)
    assert set(WebDataset(tmp_path / "elsewhere", "val").patients) == found["val"]


MALFORMED: dict[str, tuple[dict[str, bytes], str]] = {
    "no labels": ({"a.png": encoded(1)}, r"train-0.tar/a' has neither .json nor .cls"),
    "no image": ({"a.json": labelled(labels=[])}, r"train-0.tar/a' has 0 images"),
    "two images": ({"a.png": encoded(1), "a.jpg": b"", "a.cls": b"0"}, r"train-0.tar/a' has 2 images"),
    "no JSON": ({"a.png": encoded(1), "a.json": b"{"}, r"train-0.tar/a' has a .json that cannot be read"),
    "no number": ({"a.png": encoded(1), "a.cls": b"mass"}, r"train-0.tar/a' has a .cls that cannot be read"),
    "another table": ({"a.png": encoded(1), "a.json": labelled(label=["mass"])}, r"has a .json without \"labels\""),
    "text": ({"a.png": encoded(1), "a.json": labelled(labels="mass")}, r"has a .json without \"labels\""),
    "value": ({"a.png": encoded(1), "a.json": labelled(labels={"mass": 7})}, r"has the label 7: it must be 1, 0"),
    "box": ({"a.png": encoded(1), "a.json": labelled(labels=["mass"], boxes=[["mass", 3, 3, 1]])}, r"a' has a box"),
    "boxes": (
        {"a.png": encoded(1), "a.json": labelled(labels=["mass"], boxes=7)},
        r"a' has a .json that cannot be und",
    ),
    "absent": (
        {"a.png": encoded(1), "a.json": labelled(labels={"mass": 0}, boxes=[["mass", 1, 1, 2, 2]])},
        r"a box of 'mass', which its labels say is absent",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_named_and_passed_over_by_a_check(name: str, tmp_path: Path) -> None:
    members, message = MALFORMED[name]
    whole = {"b.png": encoded(2), "b.json": labelled(labels=["mass"])}
    write_tar(tmp_path / "train-0.tar", {**members, **whole})
    with pytest.raises(DataError, match=message):
        WebDataset(tmp_path, "train")
    with collect_problems() as problems:
        assert len(WebDataset(tmp_path, "train")) == 1
    assert len(problems) == 1


def rename(shards: Path) -> None:
    (shards / "val-0.tar").rename(shards / "others-0.tar")


def share_a_patient(shards: Path) -> None:
    write_tar(shards / "test-0.tar", {"a.png": encoded(1), "a.json": labelled(labels=[], patient="train-0")})


def empty(shards: Path) -> None:
    for shard in shards.glob("*.tar"):
        shard.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rename, "is in a shard of no split, and others are"),
        (share_a_patient, "train-0"),
        (empty, "holds no shard"),
        (lambda shards: (shards / "val-0.tar").write_bytes(b"\x1f\x8b" + bytes(600)), "is not a whole tar file"),
    ],
)
def test_shards_that_do_not_go_together(spoil: Callable[[Path], Any], message: str, shards: Path) -> None:
    spoil(shards)
    with pytest.raises(DataError, match=message):
        WebDataset(shards, "train")


@pytest.mark.parametrize(
    ("options", "error"),
    [({"classes": "edema"}, DataError), ({"uncertain": "maybe"}, UnknownNameError), ({"channels": 2}, ConfigError)],
)
def test_options_that_cannot_work(options: Mapping[str, Any], error: type[Exception], shards: Path) -> None:
    with pytest.raises(error):
        WebDataset(shards, "train", **options)


def test_a_shard_that_has_become_shorter_is_named(shards: Path) -> None:
    data = WebDataset(shards, "train")
    content = (shards / "train-0.tar").read_bytes()
    (shards / "train-0.tar").write_bytes(content[: data._spans[str(shards / "train-0.tar" / "0001")].start + 10])
    with pytest.raises(ImageError, match=r"train-0\.tar/0001' is cut short"):
        data[1]


def batches(data: WebDataset, plan: EpochPlan, *, step: int = 0, process: int = 0, workers: int = 0) -> list[Any]:
    """Paths and pixels of every batch of an epoch from a step on."""
    loader = training_loader(data, plan, 7, process=process, workers=workers)
    loader.batch_sampler.begin(3, step)
    return [(tuple(batch.paths), batch.images) for batch in loader]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_epoch_goes_on_from_any_step_with_the_same_bits(workers: int, shards: Path) -> None:
    data = WebDataset(shards, "train", channels=1)
    plan = EpochPlan(images=13, batch_size=4)
    whole = batches(data, plan)
    for step in range(plan.steps):
        rest = batches(WebDataset(shards, "train", channels=1), plan, step=step, workers=workers)
        assert [paths for paths, _ in rest] == [paths for paths, _ in whole[step:]]
        assert all(torch.equal(ours, theirs) for (_, ours), (_, theirs) in zip(rest, whole[step:], strict=True))


def test_processes_share_an_epoch_and_every_batch_mixes_shards(tmp_path: Path) -> None:
    write_shards(tmp_path, "train", 96, per_shard=12)
    data = WebDataset(tmp_path, "train", channels=1)
    one = [set(paths) for paths, _ in batches(data, EpochPlan(images=96, batch_size=24))]
    two = [batches(data, EpochPlan(images=96, batch_size=24, processes=2), process=process) for process in (0, 1)]
    for whole, (first, _), (second, _) in zip(one, *two, strict=True):
        assert set(first).isdisjoint(second)
        assert {*first, *second} == whole
        assert len({Path(path).parent for path in whole}) > 4
    assert len(set.union(*one)) == 96


def test_shards_of_the_webdataset_package_are_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "train-0.tar")) as shard:
        shard.write({"__key__": "a/1", "png": encoded(1), "json": {"labels": ["mass"]}})
        shard.write({"__key__": "a/2", "png": encoded(2), "cls": 0})
    data = WebDataset(tmp_path, "train", channels=1)
    assert data.targets().tolist() == [[1], [1]]  # the class 0 is the first and only one
    assert torch.equal(data[1].image, read_image_bytes(encoded(2), "2.png"))
