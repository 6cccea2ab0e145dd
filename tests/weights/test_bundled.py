"""The checkpoints in the package are what the manifest says, and still do what it says they do."""

from __future__ import annotations

import pytest

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr
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


def test_the_phantom_checkpoint_finds_and_points():
    """A slice of the thousand test phantoms, with room for its noise; the manifest has the figures of all."""
    model = pz.create_model("pylon_resnet18.phantom_cxr")
    evaluation = evaluate(model, PhantomCxr("test", size=192, count=120))
    assert evaluation.auroc.macro >= 0.97
    nodule = evaluation.classes.index("Nodule")
    assert evaluation.point_accuracy.support[nodule] >= 15
    assert evaluation.point_accuracy.per_class[nodule] >= 0.85


def test_the_images_it_was_trained_on_can_be_recovered():
    """The entry's hash is that of the phantoms' training split as this version draws it."""
    data = PhantomCxr("train")
    assert load_manifest()["pylon_resnet18.phantom_cxr"].split_hash == split_hash(data.patients, data.targets())
