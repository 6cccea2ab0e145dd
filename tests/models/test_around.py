"""What stands around a model says of itself what the model says."""

from __future__ import annotations

import torch

from pylon_zoo.models.around import ModelAround
from pylon_zoo.models.build import build_model
from pylon_zoo.models.heatmap_model import HeatmapModel


def test_it_says_what_the_model_says():
    model = build_model("pylon_test_resnet", 2, 1, label_names=["mass", "scar"], activation="softmax")
    model.thresholds = (0.2, 0.7)
    around = ModelAround(model)
    properties = {name for name, member in vars(HeatmapModel).items() if isinstance(member, property)}
    assert len(properties) == 9
    assert {name: getattr(around, name) for name in properties} == {name: getattr(model, name) for name in properties}
    logits = torch.tensor([[1.0, 3.0]])
    torch.testing.assert_close(around.probabilities(logits), logits.softmax(1))
