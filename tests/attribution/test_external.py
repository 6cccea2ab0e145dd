"""pytorch-grad-cam's methods, called like ours."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from pylon_zoo.attribution import PytorchGradCam, create_attribution
from pylon_zoo.errors import ConfigError, MissingDependencyError

METHODS = {"score_cam": "ScoreCAM", "ablation_cam": "AblationCAM", "eigen_cam": "EigenCAM", "full_grad": "FullGrad"}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["timm-resnet", "pylon"])
def model(request: pytest.FixtureRequest, build_kind) -> nn.Module:
    return build_kind(request.param)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))


@pytest.mark.slow
def test_the_same_as_by_hand(method: str, model: nn.Module, x: Tensor):
    attribution = create_attribution(method, model)
    logits, maps = attribution.with_logits(x, classes=[3, 1])
    assert maps.shape == (2, 2, 64, 96)
    assert maps.dtype == torch.float32
    assert (maps.min(), maps.max()) == (0, pytest.approx(1, abs=1e-3))
    with torch.no_grad():
        torch.testing.assert_close(logits, model(x))
    layers = [] if method == "full_grad" else list(attribution.layers(x).values())
    with getattr(pytorch_grad_cam, METHODS[method])(model, layers) as cam:
        expected = np.stack([cam(x, [ClassifierOutputTarget(label)] * 2) for label in (3, 1)], axis=1)
    torch.testing.assert_close(maps, torch.from_numpy(expected), rtol=0, atol=1e-4)
    same = torch.equal(maps[:, 0], maps[:, 1])
    assert same == (method == "eigen_cam")


@pytest.mark.slow
def test_the_model_is_left_as_it_was(method: str, model: nn.Module, x: Tensor):
    model.train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    names = [name for name, _ in model.named_modules()]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        create_attribution(method, model)(x, classes=[0])
    assert [name for name, _ in model.named_modules()] == names
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert all((parameter.grad == 1).all() and parameter.requires_grad for parameter in model.parameters())


def test_the_model_is_left_as_it_was_when_it_fails(model: nn.Module, x: Tensor):
    """Ablation-CAM puts a layer of its own into the model."""
    attribution = create_attribution("ablation_cam", model)
    modules = list(model.modules())
    calls = []

    def fail_at_the_fourth(module: nn.Module, args: tuple) -> None:
        calls.append(module)
        if len(calls) == 4:
            assert list(model.modules()) != modules
            raise RuntimeError("broken")

    attribution.layers(x)
    with model.register_forward_pre_hook(fail_at_the_fourth), pytest.raises(RuntimeError, match="broken"):
        attribution(x, classes=[0])
    assert list(model.modules()) == modules
    assert not any(module._forward_hooks for module in model.modules())


def test_tokens_and_channels_last(build_kind, images_of):
    for kind in ("timm-vit", "timm-swin"):
        model, x = build_kind(kind), images_of(kind, 1)
        assert create_attribution("eigen_cam", model)(x, classes=[0]).shape == (1, 1, *x.shape[2:])
        with pytest.raises(ConfigError, match=r"AblationCAM works on NCHW alone, but layer .* gives (tokens|NHWC)"):
            create_attribution("ablation_cam", model)(x)


def test_a_layer_for_a_method_that_takes_none(model: nn.Module):
    with pytest.raises(ConfigError, match="FullGrad looks at every layer with a bias; leave layer out"):
        create_attribution("full_grad", model, model)


def test_wrong_classes(model: nn.Module, x: Tensor):
    with pytest.raises(ConfigError, match="Class 4 does not exist"):
        create_attribution("eigen_cam", model)(x, [4])


def test_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(MissingDependencyError, match=r"'pytorch_grad_cam', which is not .*pylon-zoo\[gradcam\]"):
        PytorchGradCam("ScoreCAM", nn.ReLU())
