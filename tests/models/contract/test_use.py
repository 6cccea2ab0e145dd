"""Freezing, labels and wrong input: what every method keeps on every kind of backbone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from tests.models.contract.cases import (
    Build,
    Kind,
    images,
)


def norm_stats(model: HeatmapClassifier) -> list[Tensor]:
    return [b.clone() for name, b in model.encoder.named_buffers() if name.endswith("running_mean")]


@pytest.mark.parametrize("stats", ["move", "stay"])
def test_freeze_encoder(build: Build, case: tuple[str, Kind], stats: str):
    model = build()
    model.freeze_encoder(norm_stats=stats)
    model.eval()
    model.train()
    assert model.training
    assert model.head.training
    before = norm_stats(model)
    assert bool(before) == (case[1].name == "test_resnet")
    model(images()).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.encoder.parameters())
    assert model.head.weight.grad is not None
    moved = [not torch.equal(a, b) for a, b in zip(before, norm_stats(model), strict=True)]
    assert all(move == (stats == "move") for move in moved)


def test_unfreeze_encoder(build: Build):
    model = build()
    model.freeze_encoder(norm_stats="stay")
    model.unfreeze_encoder()
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    before = norm_stats(model)
    model(images())
    assert all(not torch.equal(a, b) for a, b in zip(before, norm_stats(model), strict=True))


def test_freezing_in_eval_mode_stays_in_eval_mode(build: Build):
    model = build().eval()
    model.freeze_encoder()
    model.unfreeze_encoder()
    assert not any(module.training for module in model.modules())


def test_freeze_encoder_refuses_unknown_word(build: Build):
    with pytest.raises(ConfigError, match="norm_stats='frozen' is not one of move, stay"):
        build().freeze_encoder("frozen")


def test_set_thresholds(build: Build):
    model = build()
    assert model.thresholds is None
    model.set_thresholds([0.5, 0.25, 0.75])
    assert model.thresholds == (0.5, 0.25, 0.75)
    for wrong in ([0.5], [0.5, 0.5, 1.0], [0, 0.5, 0.5], ["a", "b", "c"]):
        with pytest.raises(ConfigError, match=r"one probability in \(0, 1\) for each of 3"):
            model.set_thresholds(wrong)
    assert model.thresholds == (0.5, 0.25, 0.75)
    model.reset_classifier(3)
    assert model.thresholds is None


def test_set_labels(build: Build):
    model = build()
    assert model.label_names == ("class_0", "class_1", "class_2")
    model.set_labels(["Mass", "Nodule", "Hernia"])
    assert model.label_names == ("Mass", "Nodule", "Hernia")
    for wrong in (["a", "b"], ["a", "b", "c", "d"], ["a", "a", "b"]):
        with pytest.raises(ConfigError, match="3 classes; give one distinct name per class"):
            model.set_labels(wrong)
    assert model.label_names == ("Mass", "Nodule", "Hernia")


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 4, 64, 64), (1, 3, 64, 64, 1)])
def test_wrong_input_is_refused_in_one_sentence(build: Build, case: tuple[str, Kind], shape: tuple[int, ...]):
    model = build()
    with pytest.raises(ConfigError) as caught:
        model(torch.zeros(shape))
    message = str(caught.value)
    assert str(shape) in message
    assert "(N, 3, H, W)" in message
    assert model.architecture in message
    assert (f"in_chans={shape[1]} " in message) == (len(shape) == 4)
