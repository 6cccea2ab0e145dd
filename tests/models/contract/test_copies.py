"""Copies, other memory layouts and exports of every method on every kind of backbone."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch

from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from tests.models.contract.cases import (
    KINDS,
    Build,
    images,
)


def saved_and_loaded(model: HeatmapClassifier) -> HeatmapClassifier:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


DUPLICATES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": saved_and_loaded,
}


@pytest.mark.slow
@pytest.mark.parametrize("duplicate", DUPLICATES.values(), ids=DUPLICATES.keys())
def test_copies_are_equal_and_independent(build: Build, duplicate: Callable[[HeatmapClassifier], HeatmapClassifier]):
    model = build(label_names=["a", "b", "c"]).eval()
    twin = duplicate(model)
    with torch.no_grad():
        expected = model.forward_heatmap(images())
        torch.testing.assert_close(twin.forward_heatmap(images()), expected, rtol=0, atol=0)
        for parameter in model.parameters():
            parameter.zero_()
        torch.testing.assert_close(twin.forward_heatmap(images()), expected, rtol=0, atol=0)
    assert (twin.label_names, twin.architecture, twin.model_args) == (
        model.label_names,
        model.architecture,
        model.model_args,
    )


@pytest.mark.slow
def test_rebuilt_from_its_own_description(build: Build):
    model = build(in_chans=1, pooling="avg").eval()
    args = dict(model.model_args)
    twin = build_model(model.architecture, model.num_classes, **args).eval()
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(twin(images(chans=1)), model(images(chans=1)), rtol=0, atol=0)
    assert twin.pretrained_cfg == model.pretrained_cfg


def test_channels_last_memory(build: Build):
    model = build().eval()
    with torch.no_grad():
        expected = model(images())
        model.to(memory_format=torch.channels_last)
        actual = model(images().to(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


TO_EXPORT = pytest.mark.parametrize(
    "case",
    [("pylon", KINDS["batch-norm"]), ("pylon-stem", KINDS["one-stride"]), ("cam", KINDS["one-stride"])],
    ids=["pylon", "pylon-stem", "cam"],
)


@pytest.mark.slow
@TO_EXPORT
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
def test_traces(build: Build):
    model = build().eval()
    with torch.no_grad():
        traced = torch.jit.trace(model, images(1), check_trace=False)
        torch.testing.assert_close(traced(images(1)), model(images(1)))


@pytest.mark.slow
@TO_EXPORT
def test_exports(build: Build):
    model = build().eval()
    with torch.no_grad():
        program = torch.export.export(model, (images(1),))
        torch.testing.assert_close(program.module()(images(1)), model(images(1)))
