"""The average of the weights, against timm's."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.utils import ModelEmaV3
from torch import nn

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.training.ema import WeightAverage


def make_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def step(model: nn.Module) -> None:
    """Something like training: every parameter, statistic and counter moves."""
    model.train()(torch.randn(3, 1, 6, 6) * 2 + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("decay", [0.0, 0.6, 0.9999])
def test_it_is_timms_average(decay):
    model = make_model()
    ours, theirs = WeightAverage(model, decay), ModelEmaV3(model, decay=decay, use_warmup=True)
    for count in range(1, 31):
        step(model)
        ours.update(model)
        theirs.update(model, step=count)
        average = ours.state_dict()["average"]
        torch.testing.assert_close(average, dict(theirs.module.state_dict()), rtol=1e-6, atol=1e-7)
    assert average["1.num_batches_tracked"] == 30
    assert decay == 0 or not torch.allclose(average["1.running_mean"], model[1].running_mean)


def test_the_models_own_weights_come_back_bit_for_bit():
    model = make_model()
    average = WeightAverage(model, 0.9)
    for _ in range(4):
        step(model)
        average.update(model)
    own, images = copy.deepcopy(model.state_dict()), torch.randn(2, 1, 6, 6)
    parameters = list(model.parameters())
    with average.applied(model):
        assert same(model.state_dict(), average.state_dict()["average"])
        averaged = model.eval()(images)
    assert same(model.state_dict(), own)
    assert not torch.equal(averaged, model(images))
    with pytest.raises(KeyboardInterrupt), average.applied(model):
        raise KeyboardInterrupt
    assert same(model.state_dict(), own)
    assert all(first is second for first, second in zip(parameters, model.parameters(), strict=True))


def test_the_average_does_not_share_memory_with_the_model():
    model = make_model()
    average = WeightAverage(model, 0.9)
    before = copy.deepcopy(average.state_dict()["average"])
    step(model)
    assert same(average.state_dict()["average"], before)


def test_it_goes_on_from_its_state():
    model = make_model()
    whole = WeightAverage(model, 0.95)
    for count in range(6):
        step(model)
        whole.update(model)
        if count == 2:
            resumed = WeightAverage(make_model(1), 0.5)
            resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
        elif count > 2:
            resumed.update(model)
    assert same(resumed.state_dict()["average"], whole.state_dict()["average"])
    assert (resumed.decay, resumed.updates) == (0.95, 6)


def test_what_cannot_be_is_refused():
    for decay in (-0.1, 1.0):
        with pytest.raises(ConfigError, match="from 0 to below 1"):
            WeightAverage(make_model(), decay)
    with pytest.raises(WeightsError, match=r"another model: 0\.weight is torch\.Size\(\[2, 1\]\)"):
        WeightAverage(make_model()).load_state_dict(WeightAverage(nn.Sequential(nn.Linear(1, 2))).state_dict())
