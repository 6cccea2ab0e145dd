"""timm's own classifier as a class activation map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_model
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.gap import GapBackbone
from pylon_zoo.models.names import timm_module
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from tests.models.families import FAMILIES, by_family

# Families whose smallest member is no linear classifier on an averaged map.
NOT_GAP = {
    *("beit", "cait", "coat", "convit", "cpubone", "crossvit", "deepseek_vit", "deit", "efficientformer"),
    *("efficientformer_v2", "efficientvim", "efficientvit_mit", "eva", "fasternet", "gemma4_vit", "ghostnet"),
    *("hardcorenas", "hgnet", "hiera", "hieradet_sam2", "iformer", "inception_next", "lcnetv2", "levit", "lowformer"),
    *("mambaout", "mlp_mixer", "mobilenetv3", "mvitv2", "naflexvit", "pit", "qwen3_vit", "repghost"),
    *("repvit", "sequencer", "swiftformer", "tnt", "twins", "vgg", "vision_transformer", "vision_transformer_hybrid"),
    *("vision_transformer_relpos", "vision_transformer_sam", "vitamin", "volo", "xcit"),
}


def with_statistics(model: nn.Module) -> nn.Module:
    """A network whose normalisation layers do something."""
    generator = torch.Generator().manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.LayerNorm) and layer.weight is not None:
            layer.weight.data.uniform_(0.5, 1.5, generator=generator)
            layer.bias.data.uniform_(-0.5, 0.5, generator=generator)
    return model.eval()


@by_family()
def test_which_families_are(family: str):
    name = FAMILIES[family]
    if family in NOT_GAP:
        with pytest.raises(ConfigError, match=f"{name} does not classify the average of its last map"):
            build_model(f"cam_{name}", 1000, timm_classifier=True)
        return
    model = build_model(f"cam_{name}", 1000, timm_classifier=True, pooling="avg").eval()
    with torch.no_grad():
        logits, heatmap = model.forward_with_heatmap(torch.randn(1, 3, 64, 64))
    torch.testing.assert_close(logits, heatmap.mean(dim=(2, 3)))


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], nn.Module]:
    """Makes timm believe that weights of a network lie in a file; returns the network that they are from."""

    def make(name: str) -> nn.Module:
        torch.manual_seed(0)
        original = with_statistics(timm.create_model(name))
        file = tmp_path / "model.safetensors"
        save_model(original, str(file))
        real = timm.create_model

        def create_model(name: str, **options: object) -> nn.Module:
            return real(name, pretrained_cfg_overlay={"file": str(file), "source": None}, **options)

        monkeypatch.setattr(timm, "create_model", create_model)
        return original

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet10t", "test_efficientnet", "test_convnext", "densenet121", "test_nfnet"])
def test_pretrained_networks_have_heatmaps_without_training(pretrained: Callable[[str], nn.Module], name: str):
    original = pretrained(name)
    classes = original.num_classes
    model = build_model(f"cam_{name}", classes, encoder_pretrained=True, pooling="avg", activation="softmax").eval()
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        logits, heatmap = model.forward_with_heatmap(x)
        expected = original(x)
    assert heatmap.shape[2:] == (3, 2)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(heatmap.mean(dim=(2, 3)), expected, rtol=1e-3, atol=1e-4)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in original.parameters())


def test_the_maximum_is_of_the_same_heatmap(pretrained: Callable[[str], nn.Module]):
    pretrained("resnet10t")
    average = build_model("cam_resnet10t", 1000, encoder_pretrained=True, pooling="avg").eval()
    maximum = build_model("cam_resnet10t", 1000, encoder_pretrained=True, pooling="max").eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(maximum.forward_heatmap(x), average.forward_heatmap(x))


@pytest.mark.parametrize(("classes", "wish"), [(14, None), (1000, False), (14, True)])
def test_other_classes_or_a_wish_get_a_fresh_head(
    pretrained: Callable[[str], nn.Module], classes: int, wish: bool | None
):
    original = pretrained("resnet10t")
    model = build_model("cam_resnet10t", classes, encoder_pretrained=True, timm_classifier=wish)
    assert model.head.weight.shape[0] == classes
    assert classes != 1000 or not torch.equal(model.head.weight[..., 0, 0], original.fc.weight)
    torch.testing.assert_close(model.encoder.model.conv1[0].weight, original.conv1[0].weight)


def test_a_network_that_is_none_is_refused_unless_told_otherwise(pretrained: Callable[[str], nn.Module]):
    pretrained("lcnet_050")
    with pytest.raises(ConfigError, match="timm_classifier=False"):
        build_model("cam_lcnet_050", 1000, encoder_pretrained=True)
    assert build_model("cam_lcnet_050", 1000, encoder_pretrained=True, timm_classifier=False).num_classes == 1000


def test_a_cut_network_has_no_classifier_to_take():
    with pytest.raises(ConfigError, match="coarsest_stride"):
        build_model("cam_test_resnet", 1000, timm_classifier=True, coarsest_stride=8)


@pytest.mark.parametrize("name", ["resnet10t", "test_convnext"])
def test_checkpoints_come_back_the_same(tmp_path: Path, name: str):
    model = with_statistics(build_model(f"cam_{name}", 1000, timm_classifier=True, pooling="avg"))
    again = load_checkpoint(save_checkpoint(model, tmp_path / "checkpoint"))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.forward_heatmap(x), model.forward_heatmap(x))
    model.reset_classifier(3)
    assert load_checkpoint(save_checkpoint(model, tmp_path / "other"))(x).shape == (1, 3)


def test_every_parameter_gets_a_gradient():
    model = build_model("cam_test_convnext", 1000, timm_classifier=True, pooling="avg").train()
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_the_lists_name_families():
    assert {timm_module(name) for name in FAMILIES.values()} >= NOT_GAP
    assert GapBackbone("test_resnet").strides == [32]
