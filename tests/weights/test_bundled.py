"""The checkpoints in the package are what the manifest says, and still do what it says they do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pylon_zoo as pz
from pylon_zoo.data.cluttered_digits import ClutteredDigits
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.splits import split_hash
from pylon_zoo.evaluation import evaluate
from pylon_zoo.weights.manifest import ROOM, load_manifest

BUNDLED = {name: entry for name, entry in load_manifest().items() if entry.source == "bundled"}


@pytest.mark.parametrize("name", BUNDLED)
def test_entry_and_files_agree(name):
    entry, model = BUNDLED[name], pz.create_model(name)
    assert sum(file.stat().st_size for file in (ROOM / entry.path).iterdir()) <= 6_000_000
    assert model.label_names == entry.label_names
    assert tuple(model.pretrained_cfg["input_size"]) == entry.input_size
    assert not model.training
    assert entry.recipe
    assert name in entry.metrics["command"]


def test_nothing_else_is_in_the_folder():
    listed = {(ROOM / entry.path).name for entry in BUNDLED.values()}
    assert {folder.name for folder in (ROOM / "bundled").iterdir() if folder.is_dir()} == listed


DRAWN = {  # checkpoint → what it was trained on, and how many images
    "pylon_resnet18.phantom_cxr": (PhantomCxr, 4000, "Nodule"),
    "pylon_resnet18.cluttered_digits": (ClutteredDigits, 8000, "5"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_it_finds_and_points(name):
    """A slice of the thousand test images, with room for its noise; the manifest has the figures of all."""
    dataset, _, shown = DRAWN[name]
    evaluation = evaluate(pz.create_model(name), dataset("test", size=BUNDLED[name].input_size[1], count=120))
    assert evaluation.auroc.macro >= 0.97
    place = evaluation.classes.index(shown)
    assert evaluation.point_accuracy.support[place] >= 15
    assert evaluation.point_accuracy.per_class[place] >= 0.85


@pytest.mark.parametrize("name", DRAWN)
def test_the_images_it_was_trained_on_can_be_recovered(name):
    """The entry's hash is that of the training split as this version draws it."""
    dataset, count, _ = DRAWN[name]
    data = dataset("train", count=count)
    assert BUNDLED[name].split_hash == split_hash(data.patients, data.targets())


REAL = "pylon_tf_efficientnet_lite0.deeppcb_tiles"
TILES = Path(os.environ.get("PYLON_ZOO_REAL_DIR", "")) / "deeppcb-tiles"


def test_every_checkpoint_is_tried():
    assert set(BUNDLED) == {*DRAWN, REAL}


@pytest.mark.slow
@pytest.mark.skipif(not (TILES / "val.json").is_file(), reason="set PYLON_ZOO_REAL_DIR to a folder with deeppcb-tiles")
def test_the_one_of_real_images_finds_and_points_in_every_class():
    """The validation tiles once more: the manifest's figures are those of the weights that ship."""
    published = BUNDLED[REAL].metrics
    evaluation = evaluate(pz.create_model(REAL), open_dataset(f"coco:{TILES}", "val"), controls=False)
    assert evaluation.images == published["images"] == 800
    assert evaluation.auroc.macro == pytest.approx(published["macro"]["auroc"], abs=2e-3)
    assert evaluation.point_accuracy.macro == pytest.approx(published["macro"]["point_accuracy"], abs=5e-3)
    assert evaluation.point_accuracy.per_class.min() > 0.85
    offsets = [evaluation.pointing[name].per_class for name in ("median_down", "median_right")]
    assert all(offset.abs().max() < 3 for offset in offsets)
