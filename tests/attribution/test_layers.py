"""Which layer is looked at."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from pylon_zoo.attribution import GradCAM
from pylon_zoo.attribution.layers import default_layer, find_layers
from pylon_zoo.errors import ConfigError, UnknownNameError


def net(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_by_name_or_module():
    model = timm.create_model("test_resnet")
    assert find_layers(model, "layer3.0.conv1") == {"layer3.0.conv1": model.layer3[0].conv1}
    assert find_layers(model, model.layer4) == {"layer4": model.layer4}
    assert list(find_layers(model, ["layer2", model.layer1]).items()) == [
        ("layer2", model.layer2),
        ("layer1", model.layer1),
    ]


def test_errors():
    model = timm.create_model("test_resnet")
    with pytest.raises(UnknownNameError, match=r"no layer 'layer5'.*Did you mean .*'layer4'.*named_modules"):
        find_layers(model, "layer5")
    with pytest.raises(ConfigError, match=r"layer=Linear module is not part of the model"):
        find_layers(model, nn.Linear(1, 1))
    with pytest.raises(ConfigError, match=r"layer=3 is not part of the model"):
        find_layers(model, 3)
    with pytest.raises(ConfigError, match="'layer4' is given twice"):
        find_layers(model, ["layer4", model.layer4])
    with pytest.raises(ConfigError, match="names no layer"):
        find_layers(model, [])


@pytest.mark.slow
def test_default_of_every_kind(any_kind: str, build_kind, images_of, kinds):
    model = build_kind(any_kind)
    name = kinds[any_kind].default
    images = images_of(any_kind, 1)
    assert default_layer(model, images) == {name: model.get_submodule(name)}
    attribution = GradCAM(model)
    maps = attribution(images)
    assert list(attribution.layers(images)) == [name]
    assert (maps.abs().amax(dim=(2, 3)) > 0).all()
    torch.testing.assert_close(maps, GradCAM(model, name)(images), rtol=1e-4, atol=1e-6)


def test_the_default_is_the_last_map():
    model = net(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 1))  # the last convolution has one channel
    assert list(default_layer(model, torch.zeros(1, 3, 8, 8))) == ["1"]


def test_a_container_runs_after_its_parts():
    model = net(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    assert list(default_layer(model, torch.zeros(1, 3, 8, 8))) == ["0"]


def test_modules_that_run_twice_are_passed_over():
    relu = nn.ReLU()
    model = net(nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 1), relu)
    assert list(default_layer(model, torch.zeros(1, 3, 8, 8))) == ["2"]


def test_no_map():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with pytest.raises(ConfigError, match=r"No layer of Sequential gives a map .* 8×8 pixels; give layer="):
        default_layer(model, torch.zeros(1, 3, 8, 8))
    # A network whose last stages shrink the image to one cell is looked at before them.
    assert list(default_layer(timm.create_model("test_resnet").eval(), torch.zeros(1, 3, 32, 32))) == ["layer3"]


def test_pooling_by_attention_is_not_a_map():
    model = timm.create_model("test_vit3", num_classes=2).eval()
    assert list(default_layer(model, torch.zeros(1, 3, 160, 160))) == ["norm"]


def test_no_hook_stays_when_the_model_fails():
    model = net(nn.Conv2d(3, 4, 3))
    with pytest.raises(RuntimeError):
        default_layer(model, torch.zeros(1, 2, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
