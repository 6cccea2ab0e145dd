"""`torch.hub` sees entry points and nothing else, and builds models from a local checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

import pylon_zoo as pz

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def hubconf():
    spec = importlib.util.spec_from_file_location("hubconf", REPO / "hubconf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_list_shows_only_entry_points(hubconf):
    # The rule of torch.hub.list, which itself only reads repositories on GitHub.
    names = [name for name in dir(hubconf) if callable(getattr(hubconf, name)) and not name.startswith("_")]
    assert names == ["cam", "pylon", "pylon_resnet18", "pylon_resnet50"]


def test_load_builds_the_model():
    model = torch.hub.load(str(REPO), "pylon", "test_resnet", source="local", num_classes=3, in_chans=1)
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 3)


def test_load_with_weights_is_create_model():
    name = pz.list_pretrained("pylon_resnet18.*")[0]
    x = torch.rand(1, 1, 64, 64)
    loaded = torch.hub.load(str(REPO), "pylon_resnet18", source="local", pretrained=name.partition(".")[2])
    assert torch.equal(loaded(x), pz.create_model(name)(x))


def test_dependencies_are_import_names(hubconf):
    assert all(importlib.util.find_spec(name) for name in hubconf.dependencies)
