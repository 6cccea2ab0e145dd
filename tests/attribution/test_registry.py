"""Names of methods."""

from __future__ import annotations

import pytest
from torch import nn

from pylon_zoo.attribution import (
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    PytorchGradCam,
    RefineCAM,
    XGradCAM,
    create_attribution,
)
from pylon_zoo.errors import UnknownNameError

MODEL = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("grad_cam", GradCAM),
        ("grad-cam", GradCAM),
        ("grad_cam++", GradCAMPlusPlus),
        ("grad-cam++", GradCAMPlusPlus),
        ("xgrad-cam", XGradCAM),
        ("hires_cam", HiResCAM),
        ("layer-cam", LayerCAM),
        ("score-cam", PytorchGradCam),
        ("eigen_cam", PytorchGradCam),
        ("full_grad", PytorchGradCam),
    ],
)
def test_names(name: str, method: type):
    assert type(create_attribution(name, MODEL)) is method


def test_options():
    attribution = create_attribution("refine-cam", MODEL, ["0", MODEL[1]], relu=True, layout="NHWC")
    assert type(attribution) is RefineCAM
    assert (attribution.relu, attribution.layout) == (True, "NHWC")
    assert create_attribution("score_cam", MODEL, "0", layout="NCHW").layout == "NCHW"


def test_unknown_names():
    with pytest.raises(
        UnknownNameError, match=r"Unknown attribution 'gradcam'.*Did you mean 'grad_cam'.*Valid: grad_cam,"
    ):
        create_attribution("gradcam", MODEL)
    with pytest.raises(
        UnknownNameError, match=r"grad_cam has no option 'rely'.*Did you mean 'relu'.*Valid: layout, placement, relu"
    ):
        create_attribution("grad_cam", MODEL, rely=True)
    with pytest.raises(UnknownNameError, match=r"score_cam has no option 'relu'\. Valid: layout\."):
        create_attribution("score_cam", MODEL, relu=True)
    with pytest.raises(UnknownNameError, match="score_cam has no option 'per_class'"):
        create_attribution("score_cam", MODEL, per_class=False)
    with pytest.raises(UnknownNameError, match="has no layer '2'"):
        create_attribution("grad_cam", MODEL, "2")
    with pytest.raises(UnknownNameError, match=r"layout='nhwc'"):
        create_attribution("grad_cam", MODEL, layout="nhwc")
