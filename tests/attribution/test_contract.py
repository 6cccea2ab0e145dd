"""What every attribution of ours keeps on every kind of classifier. A new method is one line in METHOD_LAYERS."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pylon_zoo.attribution import ATTRIBUTIONS, Attribution, create_attribution

CLASSES = 4

# Method → how many layers it is given.
METHOD_LAYERS = {"grad_cam": 1, "grad_cam++": 1, "xgrad_cam": 1, "hires_cam": 1, "layer_cam": 2, "refine_cam": 2}

# pytorch-grad-cam's, in test_external.py.
EXTERNAL = {"score_cam", "ablation_cam", "eigen_cam", "full_grad"}


@pytest.fixture(params=METHOD_LAYERS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(build_kind: Callable[..., nn.Module], kind: str) -> nn.Module:
    return build_kind(kind)


@pytest.fixture
def x(images_of: Callable[..., Tensor], kind: str) -> Tensor:
    return images_of(kind)


@pytest.fixture
def cam(model: nn.Module, method: str, kind: str, kinds) -> Attribution:
    return create_attribution(method, model, list(kinds[kind].layers)[-METHOD_LAYERS[method] :])


# Where rounding may differ, the model is in float64: Grad-CAM++ and XGrad-CAM have poles, which magnify it.


def assert_same(actual: Tensor, expected: Tensor, tolerance: float = 1e-4):
    """Equal up to that part of the largest number."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * expected.abs().max().item())


def hooks(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in model.modules()
    )


def test_every_method_is_covered():
    assert set(METHOD_LAYERS) | EXTERNAL == set(ATTRIBUTIONS)
    assert not set(METHOD_LAYERS) & EXTERNAL


def test_shapes(cam: Attribution, model: nn.Module, x: Tensor):
    logits, maps = cam.with_logits(x)
    height, width = maps.shape[2:]
    assert maps.shape[:2] == logits.shape == (2, CLASSES)
    assert height * x.shape[3] == width * x.shape[2]
    assert height > 1
    assert maps.dtype == logits.dtype == torch.float32
    assert maps.isfinite().all()
    assert (maps.abs().amax(dim=(2, 3)) > 0).all()
    assert not maps.requires_grad
    assert not logits.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(logits, model(x).float(), rtol=1e-4, atol=1e-5)


def test_classes_are_a_slice_of_all(cam: Attribution, model: nn.Module, x: Tensor):
    model.double()
    x = x.double()
    maps = cam(x)
    assert_same(cam(x, classes=[3, 1]), maps[:, [3, 1]])
    assert_same(cam(x, classes=(2,)), maps[:, [2]])
    assert_same(cam(x, torch.tensor([0, 0])), maps[:, [0, 0]])
    assert not torch.allclose(maps[:, 0], maps[:, 1])


def test_a_batch_is_its_images(cam: Attribution, model: nn.Module, x: Tensor):
    model.double()
    x = x.double()
    assert_same(cam(x), torch.cat([cam(x[:1]), cam(x[1:])]))


def test_the_model_is_left_as_it_was(cam: Attribution, model: nn.Module, x: Tensor):
    expected = cam(x)
    modules = list(model.modules())
    for module in modules[::2]:
        module.training = True
    for i, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(i % 2 == 0)
        parameter.grad = torch.ones_like(parameter) if i % 4 == 0 else None
    modes = [module.training for module in modules]
    state = {name: value.clone() for name, value in model.state_dict().items()}

    assert_same(cam(x), expected)

    assert [module.training for module in modules] == modes
    for i, parameter in enumerate(model.parameters()):
        assert parameter.requires_grad == (i % 2 == 0)
        assert (parameter.grad is None) == (i % 4 != 0)
        assert parameter.grad is None or (parameter.grad == 1).all()
    assert hooks(model) == 0
    assert torch.is_grad_enabled()
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


# Kind → its last module, where that is not `head`.
LAST = {
    "pylon": "pooling",
    "cam": "pooling",
    "densenet121": "classifier",
    "resnet18": "fc",
    "timm-resnet": "fc",
    "timm-efficientnet": "classifier",
}


class Broken(nn.Module):
    """Behind a layer's output, fails."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("broken")


def test_the_model_is_left_as_it_was_when_it_fails(cam: Attribution, model: nn.Module, x: Tensor, kind: str):
    setattr(model, LAST.get(kind, "head"), Broken())
    model.train()
    with pytest.raises(RuntimeError, match="broken"):
        cam(x)
    assert all(module.training for module in model.modules())
    assert hooks(model) == 0
    assert torch.is_grad_enabled()
    with torch.no_grad(), pytest.raises(RuntimeError, match="broken"):
        cam(x)
    assert torch.is_grad_enabled()


def test_any_gradient_mode_around_it(cam: Attribution, x: Tensor):
    expected = cam(x)
    with torch.no_grad():
        assert_same(cam(x), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        maps = cam(x.clone())
        assert torch.is_inference_mode_enabled()
    assert not maps.is_inference()
    assert_same(maps, expected)


def test_a_frozen_model(cam: Attribution, model: nn.Module, x: Tensor):
    expected = cam(x)
    model.requires_grad_(False)
    assert_same(cam(x), expected)


def test_the_input_may_want_a_gradient(cam: Attribution, x: Tensor):
    expected = cam(x)
    x.requires_grad_()
    assert_same(cam(x), expected)
    assert x.grad is None


def test_float32_and_finite_under_autocast(cam: Attribution, x: Tensor):
    with torch.autocast("cpu", torch.bfloat16):
        logits, maps = cam.with_logits(x)
    assert logits.dtype == maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert (maps.abs().amax(dim=(2, 3)) > 0).all()


def test_a_half_precision_model(cam: Attribution, model: nn.Module, x: Tensor):
    model.bfloat16()
    logits, maps = cam.with_logits(x.bfloat16())
    assert logits.dtype == maps.dtype == torch.float32
    assert maps.isfinite().all()


def test_relu(model: nn.Module, method: str, kind: str, kinds, x: Tensor):
    layers = list(kinds[kind].layers)[-METHOD_LAYERS[method] :]
    signed, rectified = (create_attribution(method, model, layers, relu=relu)(x) for relu in (False, True))
    assert (rectified >= 0).all()
    if method in ("grad_cam", "xgrad_cam", "hires_cam"):
        assert_same(rectified, signed.relu())
        assert (signed < 0).any()


@pytest.mark.slow
def test_in_training_mode_after_it(cam: Attribution, model: nn.Module, x: Tensor):
    """A step of training after, and under the same autocast as, an attribution has all its gradients."""
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        cam(x)
        loss = model(x).float().square().sum()
    loss.backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert not without
