"""A recipe to a run folder, on a few phantoms."""

from __future__ import annotations

import json
import os

import pytest

import pylon_zoo.training.train as train_module
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import collate
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.train import model_for, open_split, set_transforms, train
from pylon_zoo.weights.checkpoint import load_checkpoint


@pytest.mark.slow
def test_a_run_from_recipe_to_checkpoint(tmp_path, make_recipe):
    recipe, seen = make_recipe(data={"mean": [0.4], "std": [0.2]}), []
    summary = train(recipe, tmp_path / "run", device="cpu", report=seen.append)
    assert [epoch.epoch for epoch in seen] == [1, 2]
    assert json.loads((tmp_path / "run" / "log" / "summary.json").read_text(encoding="utf-8")) == summary
    assert (summary["train_images"], summary["epochs"], summary["seed"]) == (16, 2, 0)
    assert summary["images_per_second"] > 0
    assert summary["best_epoch"] == max(epoch.epoch for epoch in seen if epoch.best)

    model = load_checkpoint(tmp_path / "run")
    assert model.label_names == PhantomCxr.classes
    assert model.pretrained_cfg["input_size"] == (1, 32, 32)
    assert (model.pretrained_cfg["mean"], model.pretrained_cfg["std"]) == ((0.4,), (0.2,))
    config = json.loads((tmp_path / "run" / "checkpoint" / "config.json").read_text(encoding="utf-8"))
    assert config["training"]["epoch"] == summary["best_epoch"]
    assert config["training"]["loss"] == summary["val_loss"]

    (tmp_path / "again").mkdir()
    again = train(load_recipe(tmp_path / "run" / "recipe.toml"), tmp_path / "again", device="cpu")
    assert again["val_loss"] == summary["val_loss"], "the recipe in a run folder is the whole recipe"


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        ({"model": {"architecture": "pylon_resnet5O"}}, UnknownNameError, r"quick\.toml: model: .*resnet50"),
        (
            {"model": {"options": {"atention": False}}},
            UnknownNameError,
            r"quick\.toml: model\.options\.atention .*'attention'",
        ),
        ({"data": {"augmentation": "flop"}}, UnknownNameError, r"quick\.toml: data\.augmentation: .*'flip'"),
        ({"data": {"options": {"cuont": 1}}}, UnknownNameError, r"'count'"),
        ({"data": {"name": "phantm"}}, UnknownNameError, r"'phantom'"),
        ({"data": {"name": "nih-cxr14:/nowhere", "options": {}}}, DataError, r"/nowhere"),
        ({"data": {"mean": [0.1, 0.2]}}, ConfigError, r"quick\.toml: data\.mean has 2 values.*1 channel"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, make_recipe, sections, error, message):
    with pytest.raises(error, match=message):
        train(make_recipe(**sections), tmp_path / "run", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_refused_before_the_data_is_opened(tmp_path, make_recipe, monkeypatch):
    (tmp_path / "recipe.toml").write_text("", encoding="utf-8")
    monkeypatch.setattr(train_module, "open_dataset", pytest.fail)
    with pytest.raises(ConfigError, match="--overwrite"):
        train(make_recipe(), tmp_path, device="cpu")


def test_splits_that_share_a_patient_are_refused(tmp_path, make_recipe, monkeypatch, spots):
    monkeypatch.setattr(train_module, "open_dataset", lambda name, split, **options: spots("train"))
    with pytest.raises(DataError, match=r"'train-0'.*both 'train' and 'val'"):
        train(make_recipe(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{}, {"head_mlp_layers": 2}])
def test_the_heads_bias_is_what_the_recipe_says(make_recipe, spots, options):
    recipe = make_recipe(model={"head_bias": -3.0, "options": options})
    *_, last = model_for(recipe, spots()).head.modules()
    assert last.bias.tolist() == [-3.0, -3.0]
    *_, last = model_for(make_recipe(model={"options": options}), spots()).head.modules()
    assert last.bias.abs().max() < 1


def test_transforms_make_what_the_model_says_it_takes(make_recipe, spots):
    recipe = make_recipe(data={"size": 64, "mean": [0.5], "std": [0.25], "augmentation": "xray"})
    train_set, val_set = spots("train"), spots("val")
    set_transforms(recipe, model_for(recipe, train_set), train_set, val_set)
    raw = val_set.load(0)
    seen, shown = (collate([one[0]]).model_input("cpu")[0] for one in (val_set, train_set))
    assert seen.shape == shown.shape == (1, 64, 64)
    assert seen.mean().item() == pytest.approx((raw.image.mean().item() - 0.5) / 0.25, abs=0.05)
    assert (train_set.transform.augmentation, train_set.transform.mean) == ("xray", (0.5,))


@pytest.mark.slow
def test_both_phases_on_real_radiographs(tmp_path):
    if "PYLON_ZOO_NIH_DIR" not in os.environ:
        pytest.skip("set PYLON_ZOO_NIH_DIR to a folder with the NIH ChestX-ray14 release, or a sample in its layout")
    settings = [
        "data.size=64",
        "data.augmentation=flip",
        "model.architecture=pylon_test_resnet",
        "model.options={}",
        "phases.encoder=['frozen', 'trained']",
        "schedule.max_epochs=1",
    ]
    recipe = load_recipe("phantom_cxr_pylon", settings, f"nih-cxr14:{os.environ['PYLON_ZOO_NIH_DIR']}")
    train_set, val_set = (open_split(recipe, split) for split in ("train", "val"))
    few = (First(train_set, 48), First(val_set, 24))
    seen = []
    summary = train(recipe, tmp_path, device="cpu", datasets=few, report=seen.append)
    assert [epoch.phase for epoch in seen] == [1, 2]
    assert (summary["dataset"], summary["epochs"]) == ("nih_cxr14", 2)
    assert load_checkpoint(tmp_path).label_names == train_set.classes


class First(LabelledDataset):
    """The first images of a dataset."""

    def __init__(self, whole, count):
        super().__init__(whole.split)
        self.whole, self.count = whole, min(count, len(whole))
        self.name, self.classes, self.channels = whole.name, whole.classes, whole.channels

    def __len__(self):
        return self.count

    def load(self, index):
        return self.whole.load(index)

    def targets(self):
        return self.whole.targets()[: self.count]

    @property
    def patients(self):
        return self.whole.patients[: self.count]
