from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

import pylon_zoo
from pylon_zoo.attribution import AttributedClassifier, create_attribution
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import build_model


def test_it_is_the_model_with_other_heatmaps():
    torch.manual_seed(0)
    model = build_model("cam_test_resnet", 3, in_chans=1, label_names=["a", "b", "c"], pooling="avg").eval()
    attributed = AttributedClassifier(model, "grad-cam")
    x = torch.randn(2, 1, 64, 96)
    with torch.inference_mode():
        logits, heatmap = attributed.forward_with_heatmap(x)
        torch.testing.assert_close(logits, model(x))
        torch.testing.assert_close(attributed(x), model(x))
    torch.testing.assert_close(heatmap, create_attribution("grad_cam", model)(x))
    torch.testing.assert_close(attributed.forward_heatmap(x), heatmap)
    assert attributed.label_names == ("a", "b", "c")
    assert (attributed.num_classes, attributed.in_chans, attributed.activation) == (3, 1, "sigmoid")
    assert attributed.architecture == "cam_test_resnet, grad-cam"
    assert (model.heatmap_unit, attributed.heatmap_unit) == ("logit", "relevance")
    model.set_thresholds([0.2, 0.4, 0.6])
    assert AttributedClassifier(model, "grad_cam").thresholds == (0.2, 0.4, 0.6)


def test_a_model_without_heatmap_gets_one():
    model = build_model("pylon_test_resnet", 3, head_mlp_layers=2, decoder_channels=8).eval()
    assert not model.has_heatmap
    assert AttributedClassifier(model, "grad_cam").forward_heatmap(torch.randn(1, 3, 64, 64)).shape == (1, 3, 16, 16)


def test_a_timm_classifier_is_explained():
    model = AttributedClassifier(timm.create_model("test_resnet", num_classes=3), "hires_cam", label_names="xyz")
    explanation = pylon_zoo.explain(model, torch.rand(3, 50, 70))
    assert explanation.labels == ("x", "y", "z")
    assert float(explanation.probabilities.sum()) == pytest.approx(1, abs=1e-5)  # softmax
    assert explanation.heatmaps.shape == (3, 50, 70)
    assert AttributedClassifier(model.model, "grad_cam", activation="sigmoid").activation == "sigmoid"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "tanh"}, "activation='tanh' is not one of"),
        ({"label_names": ["x"]}, "1 label names were given for 3 classes"),
    ],
)
def test_impossible_options(options: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        AttributedClassifier(build_model("cam_test_resnet", 3), "grad_cam", **options)


def test_a_module_that_says_nothing_about_its_input_is_refused():
    with pytest.raises(ConfigError, match="Sequential has no num_classes and no pretrained_cfg"):
        AttributedClassifier(nn.Sequential(), "grad_cam")
    with pytest.raises(UnknownNameError, match="Did you mean 'grad_cam'"):
        AttributedClassifier(build_model("cam_test_resnet", 3), "gradcam")


def test_weights_device_and_mode_are_the_models():
    model = build_model("cam_test_resnet", 3)
    attributed = AttributedClassifier(model, "grad_cam").eval()
    assert not model.training
    assert [id(p) for p in attributed.parameters()] == [id(p) for p in model.parameters()]
