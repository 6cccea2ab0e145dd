"""Formulas by hand, and what must hold for heatmap models with any weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import pylon_zoo
from pylon_zoo.attribution import (
    Attribution,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    RefineCAM,
    XGradCAM,
    create_attribution,
)
from pylon_zoo.attribution.base import LayerCells, resized_to_largest
from pylon_zoo.attribution.methods import scaled_to_unit
from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError

# Two channels of 1 × 2 cells, and gradients of two classes.
A = torch.tensor([[[[1.0, 3.0]], [[2.0, -1.0]]]])
G = torch.tensor([[[[[1.0, 2.0]], [[0.0, -4.0]]], [[[-1.0, 0.0]], [[1.0, 1.0]]]]])

BY_HAND = {
    # Means of G: 1.5 and −2; −0.5 and 1.
    GradCAM: [[1.5 - 4, 4.5 + 2], [-0.5 + 2, -1.5 - 1]],
    # Σ G A ∕ Σ A: (1 + 6) ∕ 4 and 4 ∕ 1; −1 ∕ 4 and (2 − 1) ∕ 1.
    XGradCAM: [[1.75 + 8, 5.25 - 4], [-0.25 + 2, -0.75 - 1]],
    HiResCAM: [[1.0, 6 + 4], [-1 + 2, -1]],
    LayerCAM: [[1.0, 6], [2, -1]],
}


@pytest.mark.parametrize("method", BY_HAND, ids=lambda method: method.__name__)
def test_by_hand(method: type[Attribution]):
    maps = method(nn.Identity()).maps(A, G)
    torch.testing.assert_close(maps, torch.tensor(BY_HAND[method])[None, :, None, :], rtol=1e-6, atol=1e-6)


def test_grad_cam_plus_plus_by_hand():
    # ΣA: 4 and 1. α of class 0: 1 ∕ (2 + 4), 4 ∕ (8 + 32); 0, 16 ∕ (32 − 64). Of class 1: 1 ∕ (2 − 4), 0; 1 ∕ 3 twice.
    weights = {
        False: [[1 / 6 + 2 / 10, 2.0], [0.5, 2 / 3]],
        True: [[1 / 6 + 2 / 10, 0.0], [0.0, 2 / 3]],
    }
    for relu, expected in weights.items():
        maps = GradCAMPlusPlus(nn.Identity(), relu=relu).maps(A, G)
        by_hand = torch.tensor(expected)[None] @ A.flatten(2)
        torch.testing.assert_close(maps.flatten(2), by_hand, rtol=1e-5, atol=1e-5)


def test_grad_cam_plus_plus_of_no_gradient_is_zero():
    assert (GradCAMPlusPlus(nn.Identity()).maps(A, torch.zeros_like(G)) == 0).all()


def test_xgrad_cam_of_a_dead_channel_is_finite():
    assert (XGradCAM(nn.Identity()).maps(torch.zeros_like(A), G) == 0).all()


def test_resized_to_the_largest_of_each_side():
    first, second = resized_to_largest([torch.tensor([[[[0.0, 4.0]]]]), torch.tensor([[[[1.0], [2.0]]]])])
    assert first.tolist() == [[[[0, 4], [0, 4]]]]
    assert second.tolist() == [[[[1, 1], [2, 2]]]]


def test_layer_cam_combines_by_the_maximum_of_scaled_maps():
    layers = [torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]]), torch.tensor([[[[10.0, 5.0]]]])]
    combined = LayerCAM(nn.Identity()).combine(layers)
    # ∕ 4: 0, ¼, ¾, 1; ∕ 10: 1, ½, which becomes 1, 0.875, 0.625, 0.5.
    assert combined.tolist() == [[[[1.0, 0.875, 0.75, 1.0]]]]
    dark = [torch.zeros(1, 1, 1, 2), torch.tensor([[[[-3.0, -1.0]]]])]
    assert LayerCAM(nn.Identity()).combine(dark).tolist() == [[[[0.0, 0.0]]]]
    assert LayerCAM(nn.Identity()).combine(layers[:1]) is layers[0]


def test_scaling_is_per_map():
    maps = torch.tensor([[[[0.0, 2.0]], [[-1.0, 3.0]], [[5.0, 5.0]]]])
    assert scaled_to_unit(maps).tolist() == [[[[0, 1]], [[0, 1]], [[0, 0]]]]


def test_refine_cam_is_the_product_of_its_layers(build_kind, images_of):
    model, x = build_kind("timm-resnet"), images_of("timm-resnet")
    names = ["layer2", "layer3", "layer4"]
    maps = RefineCAM(model, names, placement="paper")(x)
    expected = 1.0
    for name in names:
        one = scaled_to_unit(GradCAMPlusPlus(model, name)(x))
        expected = expected * nn.functional.interpolate(one, maps.shape[2:], mode="bilinear")
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-2)
    assert maps.shape == (2, 4, 8, 12)
    assert maps.min() >= 0
    assert maps.max() <= 1


@pytest.mark.parametrize("names", [["layer2", "layer4"], ["layer4", "layer2"]])
def test_layers_in_any_order(build_kind, images_of, names: list[str]):
    model, x = build_kind("timm-resnet"), images_of("timm-resnet")
    exact = LayerCAM(model, names)
    each = [LayerCAM(model, name) for name in names]
    maps, cells = [one(x) for one in each], [one.layer_cells(x)[0] for one in each]
    assert exact.layer_cells(x) == cells
    torch.testing.assert_close(exact(x), LayerCAM(model).combine(maps, cells), rtol=1e-4, atol=1e-5)
    tiles = LayerCAM(model, names, placement="paper")(x)
    torch.testing.assert_close(tiles, LayerCAM(model).combine(maps), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(exact(x), tiles, atol=1e-2)


def test_several_layers_are_fused_where_their_cells_look():
    """A map is the same whether it is fused with what it is subsampled to, or alone: nothing moves."""
    fine = torch.zeros(1, 1, 8, 8)
    fine[..., 4, 2] = 1.0
    coarse = fine[..., ::2, ::2]  # cell i at pixel 2i, as strided convolutions have it
    cells = [
        LayerCells(CellGrid((0.0, 0.0), (1.0, 1.0)), (8, 8)),
        LayerCells(CellGrid((0.0, 0.0), (2.0, 2.0)), (4, 4)),
    ]
    assert RefineCAM.combine(None, [fine, coarse], cells)[0, 0].argmax() == 4 * 8 + 2
    assert torch.equal(RefineCAM.combine(None, [fine, coarse], cells), fine)


def test_how_many_layers(build_kind):
    model = build_kind("timm-resnet")
    with pytest.raises(ConfigError, match="GradCAM looks at one layer and got 2; give one, or use layer_cam"):
        GradCAM(model, ["layer3", "layer4"])
    with pytest.raises(ConfigError, match="RefineCAM combines several layers and needs at least 2; give layer="):
        RefineCAM(model)
    with pytest.raises(ConfigError, match="needs at least 2"):
        RefineCAM(model, "layer4")


# -- what theory says about linear heads ------------------------------------------------------------------------------


def head_only(pooling: str, seed: int, method: str = "cam") -> tuple[nn.Module, Tensor, Tensor]:
    """A heatmap model, images, and its heatmap without the bias."""
    torch.manual_seed(seed)
    model = pylon_zoo.create_model(f"{method}_test_resnet", num_classes=5, pooling=pooling).eval()
    nn.init.normal_(model.head.weight)
    nn.init.normal_(model.head.bias)
    x = torch.randn(2, 3, 128, 160)
    with torch.no_grad():
        return model, x, model.forward_heatmap(x) - model.head.bias.view(1, -1, 1, 1)


SEEDS = pytest.mark.parametrize("seed", range(4))
MODELS = pytest.mark.parametrize("method", ["cam", "pylon"])


@SEEDS
@MODELS
@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_grad_cam_is_the_heatmap_without_bias(seed: int, method: str, pooling: str):
    """The scale is one over the number of cells, for either pooling."""
    model, x, heatmap = head_only(pooling, seed, method)
    maps = create_attribution("grad_cam", model)(x)
    torch.testing.assert_close(maps * math.prod(heatmap.shape[2:]), heatmap, rtol=1e-4, atol=1e-4)


@SEEDS
@MODELS
def test_hires_cam_of_a_maximum_is_its_cell(seed: int, method: str):
    model, x, heatmap = head_only("max", seed, method)
    peak = heatmap.flatten(2).argmax(dim=2, keepdim=True)
    expected = torch.zeros_like(heatmap.flatten(2)).scatter(2, peak, heatmap.flatten(2).gather(2, peak))
    torch.testing.assert_close(HiResCAM(model)(x).flatten(2), expected, rtol=1e-4, atol=1e-4)
    layer = LayerCAM(model)(x).flatten(2)
    assert ((layer != 0) == (expected != 0)).all()


@SEEDS
@MODELS
@pytest.mark.parametrize("method_of", [GradCAM, HiResCAM, XGradCAM])
def test_three_methods_agree_for_an_average(seed: int, method: str, method_of: Callable[..., Attribution]):
    """Where the gradient is the same everywhere, weighting it differently changes nothing."""
    model, x, heatmap = head_only("avg", seed, method)
    maps = method_of(model)(x)
    torch.testing.assert_close(maps * math.prod(heatmap.shape[2:]), heatmap, rtol=1e-3, atol=1e-3)
