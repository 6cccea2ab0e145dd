"""One forward pass, its gradients, and every way in which a layer can be the wrong one."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import timm
import torch
from torch import Tensor, nn

import pylon_zoo.attribution.capture as capturing
from pylon_zoo.attribution import GradCAM, HiResCAM
from pylon_zoo.attribution.capture import capture, gradients
from pylon_zoo.errors import ConfigError


class Net(nn.Module):
    """Convolution, something, average, three logits."""

    def __init__(self, middle: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.middle = middle or nn.Identity()
        self.unused = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.middle(self.conv(x)).mean(dim=(2, 3)))


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def captured(model: nn.Module, *names: str) -> capturing.Capture:
    return capture(model, {name: model.get_submodule(name) for name in names}, X)


def test_gradients_by_hand():
    model = Net()
    grads = next(gradients(captured(model, "conv"), [2, 0]))
    expected = model.fc.weight[[2, 0]][:, None, :, None, None].expand(2, 2, 4, 6, 6) / 36
    torch.testing.assert_close(grads[0], expected)


def test_the_network_runs_once_and_backward_only_above_the_layer():
    model = timm.create_model("test_resnet", num_classes=6).eval()
    runs: list[str] = []
    backward: list[str] = []

    def watch(name: str, module: nn.Module) -> None:
        def forward_hook(module: nn.Module, args: Any, output: Tensor) -> None:
            runs.append(name)
            if output.requires_grad:
                output.register_hook(lambda grad: backward.append(name))

        module.register_forward_hook(forward_hook)

    for name in ("conv1", "layer1", "layer2", "layer3", "layer4", "fc"):
        watch(name, model.get_submodule(name))
    GradCAM(model, "layer3")(torch.randn(1, 3, 64, 64))
    assert runs == ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert backward == ["fc", "layer4"]  # once, for all classes


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    model = timm.create_model("test_resnet", num_classes=7).eval()
    x = torch.randn(2, 3, 64, 64)
    whole = HiResCAM(model, "layer3")(x)
    numbers = 2 * 192 * 4 * 4
    for per_chunk, chunks in ((3, 3), (1, 7), (0.1, 7)):
        monkeypatch.setattr(capturing, "MAX_NUMBERS", int(per_chunk * numbers))
        pieces = list(gradients(capture(model, {"layer3": model.layer3}, x), range(7)))
        assert len(pieces) == chunks
        torch.testing.assert_close(HiResCAM(model, "layer3")(x), whole, rtol=1e-4, atol=1e-6)


class Unbatchable(torch.autograd.Function):
    """Doubles; its backward pass looks at the numbers, which a batched gradient does not have."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return 2 * grad if grad.abs().sum().item() < 1e9 else grad


class WritesInPlace(Unbatchable):
    """The same with a buffer of its own."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return torch.zeros(grad.shape).copy_(grad).mul_(2)


class Fails(Unbatchable):
    """Its backward pass is broken."""

    calls: ClassVar[list[Tensor]] = []

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        Fails.calls.append(grad)
        raise RuntimeError("not about batches")


class Apply(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize("function", [Unbatchable, WritesInPlace])
def test_what_cannot_be_batched_is_looped(function: type[torch.autograd.Function]):
    model, plain = Net(Apply(function.apply)), Net(Apply(lambda x: 2 * x))
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(HiResCAM(model, "conv")(X), HiResCAM(plain, "conv")(X))


def test_other_errors_are_not_tried_again():
    Fails.calls.clear()
    with pytest.raises(RuntimeError, match="not about batches"):
        GradCAM(Net(Apply(Fails.apply)), "conv")(X)
    assert len(Fails.calls) == 1


def test_in_place_operations_behind_the_layer():
    model, plain = Net(nn.ReLU(inplace=True)), Net(nn.ReLU())
    plain.load_state_dict(model.state_dict())
    maps = HiResCAM(model, "conv")(X)
    torch.testing.assert_close(maps, HiResCAM(plain, "conv")(X))
    with torch.no_grad():  # the layer's own output, before the ReLU
        positive = plain.conv(X) > 0
    assert not positive.all()
    grads = plain.fc.weight[:, :, None, None] / 36
    with torch.no_grad():
        expected = torch.einsum("kchw,nchw->nkhw", grads.expand(3, 4, 6, 6), plain.conv(X) * positive)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer"), [("timm-resnet", "layer3.0.conv1"), ("timm-resnet", None), ("timm-vit", "blocks.2.mlp.fc1")]
)
def test_gradient_checkpointing_changes_nothing(build_kind, images_of, name: str, layer: str | None):
    """Also where the layer lies inside a checkpointed block, which runs again in the backward pass."""
    model, x = build_kind(name), images_of(name)
    expected = HiResCAM(model, layer)(x)
    assert expected.abs().max() > 0
    model.set_grad_checkpointing()
    torch.testing.assert_close(HiResCAM(model, layer)(x), expected, rtol=1e-4, atol=1e-6)
    if name == "timm-resnet":
        with pytest.raises(ConfigError, match=r"'layer3' did not run .* the stage itself does not"):
            HiResCAM(model, "layer3")(x)


def test_a_layer_within_a_layer():
    model = timm.create_model("test_resnet", num_classes=3).eval()
    inner = model.layer4[0].conv1
    _, outputs = capture(model, {"layer4": model.layer4, "layer4.0.conv1": inner}, torch.randn(1, 3, 64, 64))
    assert list(outputs) == ["layer4", "layer4.0.conv1"]
    assert outputs["layer4.0.conv1"].is_leaf
    assert not outputs["layer4"].is_leaf


def test_layers_side_by_side():
    class Branches(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.fc((self.conv(x) * self.unused(x)).mean(dim=(2, 3)))

    model = Branches()
    _, outputs = captured(model, "conv", "unused")
    grads = next(gradients(captured(model, "conv", "unused"), [1]))
    expected = model.fc.weight[1].view(4, 1, 1) / 36 * outputs["unused"]
    torch.testing.assert_close(grads[0][0], expected)


# -- wrong layers, wrong models ---------------------------------------------------------------------------------------


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.relu(x) - 1)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = Apply(lambda x: (x, x))

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (Net(), "unused", "Layer 'unused' did not run for these images"),
        (Net(Twice()), "middle.relu", "Layer 'middle.relu' runs more than once .* the module around it"),
        (Net(Pair()), "middle.both", "Layer 'middle.both' gives tuple for 2 images"),
        (Net(), "fc", r"Layer 'fc' gives \(2, 3\) for 2 images"),
        (Net(Apply(lambda x: x.detach())), "conv", "The logits do not depend on layer 'conv', or .* without gradients"),
        (Net(Apply(torch.no_grad()(lambda x: x * 2))), "conv", "The logits do not depend on layer 'conv'"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3)),
            "0",
            r"The model gives \(2, 4, 6, 6\) for 2 images, but .* logits \(2, K\)",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 3), Apply(lambda x: [x])), "0", "The model gives list"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), Apply(lambda x: x.mean((2, 3)).int())), "0", "attributions need logits"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), Apply(lambda x: x.mean((2, 3))[:1])), "0", "The model gives"),
    ],
)
def test_what_cannot_be(model: nn.Module, layer: str, message: str):
    modes = [module.training for module in model.modules()]
    with pytest.raises(ConfigError, match=message):
        GradCAM(model, layer)(X)
    assert torch.is_grad_enabled()
    assert not any(module._forward_hooks for module in model.modules())
    assert [module.training for module in model.modules()] == modes


def test_a_layer_beside_the_path_to_the_logits():
    class Beside(Net):
        def forward(self, x: Tensor) -> Tensor:
            self.unused(x)
            return super().forward(x)

    with pytest.raises(ConfigError, match="do not depend on layer 'unused'"):
        next(gradients(captured(Beside(), "conv", "unused"), [0, 1]))
    with pytest.raises(ConfigError, match="do not depend on layer 'unused'"):
        next(gradients(captured(Beside(), "conv", "unused"), [0]))


def test_a_class_that_does_not_depend_on_the_layer_is_zero():
    model = Net()
    nn.init.zeros_(model.fc.weight[1].data)
    maps = GradCAM(model, "conv")(X)
    assert (maps[:, 1] == 0).all()
    assert (maps[:, 0] != 0).any()


@pytest.mark.parametrize("classes", [[3], [-1], [0, 7]])
def test_classes_out_of_range(classes: list[int]):
    with pytest.raises(ConfigError, match=r"Class (3|-1|7) does not exist: the model has 3, numbered 0 to 2"):
        GradCAM(Net(), "conv")(X, classes)


@pytest.mark.parametrize(
    ("classes", "message"), [([], "classes is empty"), ([0.5], "not a sequence of class"), (1, "not a sequence")]
)
def test_classes_that_are_none(classes: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        GradCAM(Net(), "conv")(X, classes)


@pytest.mark.parametrize("images", [X[0], X[:0], "chest.png"])
def test_images_that_are_none(images: Any):
    with pytest.raises(ConfigError, match=r"images is .* not a batch"):
        GradCAM(Net(), "conv")(images)
