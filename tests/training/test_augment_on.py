"""Runs whose images are augmented on the device."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from pylon_zoo.errors import ConfigError
from pylon_zoo.training.train import model_for, open_split, train
from pylon_zoo.training.trial import try_out

ON_THE_DEVICE = {"augmentation": "any", "augment_on": "device"}
TERMS = {"consistency": {"views": 0.5}, "loop": {"batch_size": 8, "accumulate": 2, "channels_last": True}}


def weights(run) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoint" / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("sections", [{}, TERMS], ids=["labels", "views in parts"])
def test_a_run_that_was_cut_short_goes_on_to_the_same_bits(tmp_path, make_recipe, sections):
    def stop(epoch) -> None:
        raise KeyboardInterrupt

    recipe = make_recipe(data=ON_THE_DEVICE, **sections)
    whole = train(recipe, tmp_path / "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", device="cpu", report=stop)
    resumed = train(recipe, tmp_path / "cut", device="cpu", resume=True, workers=1)
    assert resumed["val_loss"] == whole["val_loss"]
    ours, theirs = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_loader_and_the_device_train_alike(tmp_path, make_recipe):
    """Phantoms drawn at the model's size have 8 bits already, so both see the same images but for rounding."""
    losses = {}
    for where in ("loader", "device"):
        recipe = make_recipe(data={"augmentation": "any", "augment_on": where}, schedule={"max_epochs": 1})
        seen = []
        train(recipe, tmp_path / where, device="cpu", report=seen.append)
        losses[where] = seen[0].loss
    assert losses["device"] == pytest.approx(losses["loader"], rel=1e-3)


@pytest.mark.slow
def test_half_precision_takes_it(tmp_path, make_recipe):
    recipe = make_recipe(data=ON_THE_DEVICE, loop={"precision": "bf16"}, schedule={"max_epochs": 1})
    assert train(recipe, tmp_path / "run", device="cpu")["precision"] == "bf16"


def test_a_trial_takes_it(make_recipe):
    recipe = make_recipe(data=ON_THE_DEVICE)
    train_set, val_set = open_split(recipe, "train"), open_split(recipe, "val")
    assert try_out(recipe, model_for(recipe, train_set), train_set, val_set, device="cpu").batch_size == 8


def test_what_cannot_be_done_there_is_refused_before_anything_is_written(tmp_path, make_recipe):
    recipe = make_recipe(data={"augmentation": "voc", "augment_on": "device"})
    with pytest.raises(ConfigError, match=r"data\.augmentation: Augmentation 'voc' cannot be done on the device"):
        train(recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
