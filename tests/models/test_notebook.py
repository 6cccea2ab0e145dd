"""What a notebook shows of a model."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.models.build import build_model
from pylon_zoo.models.notebook import NAMES, facts_of


@pytest.mark.parametrize("name", ["pylon_test_resnet", "cam_test_resnet", "li2018_test_resnet"])
def test_the_heatmap_has_the_size_of_a_pass(name: str) -> None:
    model = build_model(name, 3, in_chans=1, img_size=96).eval()
    with torch.inference_mode():
        height, width = model.forward_heatmap(torch.zeros(1, 1, 96, 96)).shape[2:]
    facts = facts_of(model)
    assert facts["Heatmap"] == f"{width} × {height} cells; values: logit"
    assert facts["Input"] == "96 × 96 px, 1 channel"
    assert facts["Model"] == name
    count = sum(parameter.numel() for parameter in model.parameters())
    assert facts["Parameters"] == f"{count:,} ({count * 4 / 1e6:.1f} MB)"


def test_the_table_has_what_the_facts_say() -> None:
    model = build_model("pylon_test_resnet", 2, label_names=["<i>crack</i>", "dent"])
    html = model._repr_html_()
    assert re.findall(r"<th>(.*?)</th>", html) == list(facts_of(model))
    assert "2: &lt;i&gt;crack&lt;/i&gt;, dent" in html


def test_many_classes_are_counted_and_none_is_said() -> None:
    model = build_model("pylon_test_resnet", NAMES + 5)
    assert facts_of(model)["Classes"].endswith(f"class_{NAMES - 1} and 5 more")
    model.reset_classifier(0)
    facts = facts_of(model)
    assert (facts["Classes"], facts["Heatmap"]) == ("none", "none")


def test_thresholds_are_told() -> None:
    model = build_model("pylon_test_resnet", 1)
    assert facts_of(model)["Probabilities"] == "sigmoid; no thresholds"
    model.set_thresholds([0.25])
    assert facts_of(model)["Probabilities"] == "sigmoid; a threshold for each class"


def test_nothing_changes_by_looking() -> None:
    model = build_model("pylon_test_resnet", 2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model._repr_html_()
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_half_precision_is_told_by_its_size() -> None:
    model = build_model("pylon_test_resnet", 2)
    whole, half = facts_of(model)["Parameters"], facts_of(model.to(torch.bfloat16))["Parameters"]
    assert whole.split()[0] == half.split()[0]
    assert whole != half


def test_attributions_show_themselves_too() -> None:
    model = AttributedClassifier(build_model("cam_test_resnet", 2, pooling="avg"), "grad_cam")
    html = model._repr_html_()
    assert "<td>cam_test_resnet, grad_cam</td>" in html
    assert "values: relevance" in html


def test_the_representation_in_text_is_pytorchs() -> None:
    model = build_model("pylon_test_resnet", 2)
    assert repr(model) == nn.Module.__repr__(model)
