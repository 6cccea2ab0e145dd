"""Whatever gives heatmaps is one Protocol; `tests/typing` has the same in the type checker's terms."""

from __future__ import annotations

import pytest
import timm
from torch import nn

import pylon_zoo as pz
from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.models.build import build_model
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.methods import METHODS
from pylon_zoo.models.views import with_views


@pytest.mark.parametrize("method", METHODS)
def test_every_model_of_the_zoo_obeys_it(method: str):
    assert isinstance(build_model(f"{method}_resnet10t", 2), HeatmapModel)


def test_so_does_what_is_made_of_them():
    model = build_model("pylon_test_resnet", 2).eval()
    without = build_model("pylon_test_resnet", 2, head_mlp_layers=2)
    for one in (pz.optimize(model), with_views(model, "mirror"), AttributedClassifier(without, "grad_cam"), without):
        assert isinstance(one, HeatmapModel), type(one).__name__
    assert not without.has_heatmap


def test_so_does_an_attribution_of_anybodys_classifier():
    assert isinstance(AttributedClassifier(timm.create_model("test_resnet", num_classes=2), "grad_cam"), HeatmapModel)


def test_a_classifier_without_heatmaps_does_not():
    assert not isinstance(timm.create_model("test_resnet"), HeatmapModel)
    assert not isinstance(nn.Identity(), HeatmapModel)
