from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.layers import ConvNormReLU
from pylon_zoo.models.pylon_decoder import PylonDecoder, PyramidAttention, Upsampling

# The ablations of the paper that are options of PYLON, with the parameters of ResNet-50, 1 channel, 14 classes.
PARAMETERS: dict[str, tuple[dict[str, Any], int]] = {
    "proposed": ({}, 25_478_741),
    "one-layer UP": ({"up_layers": 1}, 24_097_109),
    "no PA": ({"attention": False}, 25_378_254),
    "no UP": ({"up_modules": 0}, 23_866_581),
    "1 UP": ({"up_modules": 1}, 25_049_685),
    "2 UP": ({"up_modules": 2}, 25_379_285),
    "3 UP": ({"up_modules": 3}, 25_478_741),
    "one-layer 3x3 UP": ({"up_layers": 1, "up_kernel": 3}, 25_932_117),
    "3x3 head": ({"head_kernel": 3}, 25_493_077),
    "group norm": ({"norm": "group"}, 25_478_741),
}
ABLATIONS: dict[str, dict[str, Any]] = {
    **{name: options for name, (options, _) in PARAMETERS.items()},
    "two-layer 3x3 UP": {"up_kernel": 3},
    "MLP 1": {"head_mlp_layers": 1},
    "MLP 2": {"head_mlp_layers": 2},
    "MLP 3": {"head_mlp_layers": 3},
    "PA with GAP": {"attention_gap": True},
    "GAP alone": {"attention": False, "attention_gap": True},
    "group norm with GAP": {"norm": "group", "attention_gap": True},
    "one channel wide": {"decoder_channels": 1},
    "average pooling": {"pooling": "avg"},
    "output stride 8": {"output_stride": 8},
    "light laterals": {"lateral": "light"},
    "light laterals alone": {"lateral": "light", "attention": False},
    "no coarsest level": {"coarsest_stride": 16},
    "a single level": {"coarsest_stride": 8, "output_stride": 8},
    "stem": {"output_stride": 8, "stem": True},
    "stem and little else": {"output_stride": 32, "stem": True, "lateral": "light", "alignment": "paper"},
}


def pylon(backbone: str = "test_resnet", **options: Any) -> nn.Module:
    return build_model(f"pylon_{backbone}", **{"num_classes": 3, "decoder_channels": 8, **options})


def count(name: str, **options: Any) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build_model(name, 14, 1, **options).parameters())


def randomize_norms(module: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics of its own, so that a mix-up of layers shows."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.5, 0.5)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return module.eval()


# -- the paper's numbers and arithmetic -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("options", "expected"), PARAMETERS.values(), ids=PARAMETERS.keys())
def test_parameter_counts(options: dict[str, Any], expected: int):
    assert count("pylon_resnet50", **options) == expected


def test_parameter_count_of_the_baseline():
    assert count("cam_resnet50") == 23_530_446


def conv_norm_relu(block: ConvNormReLU, x: Tensor) -> Tensor:
    conv, norm = block.conv, block.norm
    x = F.conv2d(x, conv.weight, conv.bias, padding=conv.kernel_size[0] // 2)
    shape = (1, -1, 1, 1)
    x = (x - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
    return (x * norm.weight.view(shape) + norm.bias.view(shape)).clamp(min=0)


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def paper_attention(module: PyramidAttention, x: Tensor) -> Tensor:
    """Pyramid attention by the official arithmetic, which runs on maps whose sides are multiples of 8."""
    x1 = conv_norm_relu(module.down1, F.max_pool2d(x, 2))
    x2 = conv_norm_relu(module.down2, F.max_pool2d(x1, 2))
    x3 = conv_norm_relu(module.down3, F.max_pool2d(x2, 2))
    mask = double(conv_norm_relu(module.conv3, x3))
    mask = double(mask + conv_norm_relu(module.conv2, x2))
    mask = double(mask + conv_norm_relu(module.conv1, x1))
    return conv_norm_relu(module.mid, x) * mask


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (8, 24)])
def test_attention_is_the_papers(size: tuple[int, int]):
    module = randomize_norms(PyramidAttention(6, 4))
    x = torch.randn(2, 6, *size)
    with torch.no_grad():
        actual, expected = module(x), paper_attention(module, x)
    assert expected.std() > 0.01
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_decoder_is_the_papers(layers: int):
    decoder = randomize_norms(PylonDecoder([6, 5, 4, 3], 8, up_layers=layers))
    pyramid = [torch.randn(1, c, s, s) for c, s in ((6, 8), (5, 16), (4, 32), (3, 64))]
    with torch.no_grad():
        expected = paper_attention(decoder.attention, pyramid[0])
        for module, lateral in zip(decoder.upsampling, pyramid[1:], strict=True):
            assert len(module.lateral) == layers
            for block in module.lateral:
                lateral = conv_norm_relu(block, lateral)
            expected = lateral + double(expected)
        torch.testing.assert_close(decoder(pyramid), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (9, 13), (10, 14)])
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("training", [True, False])
def test_attention_takes_any_map_of_one_image(size: tuple[int, int], norm: str, training: bool):
    module = PyramidAttention(6, 4, norm, gap=True).train(training)
    x = torch.randn(1, 6, *size)
    out = module(x)
    assert out.shape == (1, 4, *size)
    assert out.isfinite().all()
    assert (module.mask(x) >= 0).all()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_gap_branch_adds_the_pooled_map():
    torch.manual_seed(1)
    module = randomize_norms(PyramidAttention(6, 4, gap=True))
    x = torch.randn(2, 6, 8, 8)
    with torch.no_grad():
        expected = paper_attention(module, x) + conv_norm_relu(module.gap, x.mean(dim=(2, 3), keepdim=True))
        torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-6)


def test_without_attention_only_the_lateral_convolution_is_left():
    module = randomize_norms(PyramidAttention(6, 4, attention=False))
    x = torch.randn(2, 6, 5, 3)
    with torch.no_grad():
        torch.testing.assert_close(module(x), conv_norm_relu(module.mid, x))
    assert {name.partition(".")[0] for name, _ in module.named_parameters()} == {"mid"}


def test_nothing_follows_the_sum():
    """A negative coarser map stays negative: no activation after the addition."""
    module = Upsampling(4, 2).eval()
    out = module(torch.full((1, 2, 2, 2), -100.0), torch.randn(1, 4, 4, 4))
    assert (out < 0).all()


def test_initialisation():
    model = pylon(decoder_channels=128, num_classes=14)
    for name, layer in model.decoder.named_modules():
        if isinstance(layer, nn.Conv2d):
            bound = (6 / (layer.in_channels * layer.kernel_size[0] ** 2)) ** 0.5  # Kaiming-uniform, fan in
            assert 0.9 * bound < layer.weight.abs().max() <= bound, name
            assert not layer.bias.any()
    bound = (6 / (128 + 14)) ** 0.5  # Xavier-uniform
    assert 0.95 * bound < model.head.weight.abs().max() <= bound
    assert not model.head.bias.any()


# -- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("options", ABLATIONS.values(), ids=ABLATIONS.keys())
@pytest.mark.parametrize("training", [True, False])
def test_ablation_runs_and_learns(options: dict[str, Any], training: bool):
    model = pylon(in_chans=1, **options).train(training)
    logits = model(torch.randn(2, 1, 64, 64))
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("options", ABLATIONS.values(), ids=ABLATIONS.keys())
def test_ablation_is_rebuilt_from_its_arguments(options: dict[str, Any]):
    model = pylon(**options)
    with torch.device("meta"):
        twin = build_model(model.architecture, 3, **model.model_args)
    shapes = {name: tensor.shape for name, tensor in twin.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert twin.model_args == model.model_args


@pytest.mark.parametrize(("modules", "cells"), [(0, 2), (1, 4), (2, 8), (3, 16), (None, 16)])
def test_upsampling_modules_set_the_resolution(modules: int | None, cells: int):
    model = pylon(up_modules=modules).eval()
    assert model.forward_heatmap(torch.randn(1, 3, 64, 64)).shape == (1, 3, cells, cells)


@pytest.mark.parametrize(
    ("backbone", "stride", "expected"),
    [("test_resnet", 4, (16, 24)), ("test_resnet", 16, (4, 6)), ("test_resnet", 2, (32, 48)), ("test_vit", 4, (4, 6))],
)
def test_output_stride_sets_the_resolution(backbone: str, stride: int, expected: tuple[int, int]):
    model = pylon(backbone, output_stride=stride).eval()
    assert model.forward_heatmap(torch.randn(1, 3, 64, 96)).shape[2:] == expected


@pytest.mark.parametrize(
    "options",
    [{}, {"head_kernel": 3}, {"head_mlp_layers": 1}, {"norm": "group"}, {"attention_gap": True}, {"up_modules": 1}],
    ids=str,
)
@pytest.mark.parametrize("size", [(64, 64), (50, 71)])
def test_levels_add_up_to_the_heatmap(options: dict[str, Any], size: tuple[int, int]):
    model = pylon(**options)
    nn.init.uniform_(model.head.bias, 1, 2)
    randomize_norms(model)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        heatmap, levels = model.forward_heatmap(x), model.forward_levels(x)
    assert len(levels) == options.get("up_modules", 3) + 1
    assert all(level.shape == heatmap.shape and level.dtype == torch.float32 for level in levels)
    assert all(level.std() > 0 for level in levels)
    torch.testing.assert_close(torch.stack(levels).sum(0), heatmap, rtol=1e-4, atol=1e-4)


def test_the_coarsest_level_alone_holds_the_bias():
    model = pylon().eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = model.forward_levels(x)
        model.head.bias += 5
        after = model.forward_levels(x)
    torch.testing.assert_close(after[0], before[0] + 5)
    for a, b in zip(after[1:], before[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_one_layer_mlp_is_pooling_and_a_linear_layer():
    model = pylon(head_mlp_layers=1).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        pooled = model.forward_features(x).mean(dim=(2, 3))
        expected = pooled @ model.head.weight[:, :, 0, 0].T + model.head.bias
        logits, heatmap = model.forward_with_heatmap(x)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(heatmap.mean(dim=(2, 3)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [2, 3])
def test_a_deep_mlp_has_no_heatmap(layers: int):
    model = pylon(head_mlp_layers=layers, num_classes=4).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        hidden = model.forward_features(x).mean(dim=(2, 3))
        linears = [layer for layer in model.head if isinstance(layer, nn.Linear)]
        assert len(linears) == layers
        for layer in linears[:-1]:
            hidden = (hidden @ layer.weight.T + layer.bias).clamp(min=0)
        expected = hidden @ linears[-1].weight.T + linears[-1].bias
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    for forward in (model.forward_heatmap, model.forward_with_heatmap, model.forward_levels):
        with pytest.raises(ConfigError, match="pylon_test_resnet has an MLP head, which mixes positions"):
            forward(x)
    model.reset_classifier(2)
    assert model(x).shape == (2, 2)
    assert len([layer for layer in model.head if isinstance(layer, nn.Linear)]) == layers


def test_a_deep_mlp_pools_in_float32():
    model = pylon(head_mlp_layers=2).eval()
    seen: list[torch.dtype] = []
    model.pooling.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(torch.randn(1, 3, 64, 64)).dtype == torch.float32
    assert model.bfloat16()(torch.randn(1, 3, 64, 64).bfloat16()).dtype == torch.float32
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"up_modules": 4}, ConfigError, "up_modules=4, but the backbone has 3 maps .* give 0 to 3"),
        ({"up_modules": -1}, ConfigError, "up_modules=-1 is not valid; give a whole number from 0 up"),
        ({"up_modules": True}, ConfigError, "up_modules=True"),
        ({"up_modules": 1.5}, ConfigError, "up_modules=1.5"),
        ({"up_layers": 3}, ConfigError, "up_layers=3 is not valid; give one of 1, 2"),
        ({"up_layers": 0}, ConfigError, "up_layers=0"),
        ({"up_kernel": 5}, ConfigError, "up_kernel=5 is not valid; give one of 1, 3"),
        ({"head_kernel": 2}, ConfigError, "head_kernel=2"),
        ({"head_mlp_layers": 4}, ConfigError, "head_mlp_layers=4 is not valid; give one of 0, 1, 2, 3"),
        ({"head_mlp_layers": True}, ConfigError, "head_mlp_layers=True"),
        ({"norm": "layer"}, ConfigError, "norm='layer' is not valid; give one of 'batch', 'group'"),
        ({"decoder_channels": 0}, ConfigError, "decoder_channels=0 is not valid; give a whole number from 1 up"),
        ({"decoder_channels": 12.5}, ConfigError, "decoder_channels=12.5"),
        ({"activation": "relu"}, ConfigError, "activation='relu' is not one of sigmoid, softmax"),
        ({"pooling": "mx"}, UnknownNameError, "Unknown pooling 'mx'. Did you mean 'max'"),
        ({"attention": "yes"}, ConfigError, "attention='yes' is not valid; give one of True, False"),
        ({"attention_gap": 2}, ConfigError, "attention_gap=2"),
        ({"head_kernel": 3, "head_mlp_layers": 1}, ConfigError, "head_kernel=3 .*head_mlp_layers=1"),
    ],
    ids=str,
)
def test_invalid_options(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        pylon(**options)


# -- any size ---------------------------------------------------------------------------------------------------------

SIZES = [(224, 224), (320, 320), (300, 417), (64, 64), (32, 32)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("backbone", ["test_convnext", "test_nfnet", "test_vit"])
def test_any_size(backbone: str, size: tuple[int, int], batch: int, training: bool):
    model = pylon(backbone).train(training)
    logits, heatmap = model.forward_with_heatmap(torch.randn(batch, 3, *size))
    stride = model.encoder.strides[-1]
    assert heatmap.shape == (batch, 3, -(-size[0] // stride), -(-size[1] // stride))
    assert heatmap.isfinite().all()
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("batch", [1, 2])
def test_any_size_with_batch_norm_in_the_encoder(size: tuple[int, int], batch: int):
    model = pylon("test_resnet").train()
    x = torch.randn(batch, 3, *size)
    if batch == 1 and size == (32, 32):  # the encoder's own last norm sees one value
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            model(x)
        return
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_grey_images_of_the_papers_sizes():
    model = pylon("test_resnet", in_chans=1, num_classes=14).eval()
    with torch.no_grad():
        for side in (256, 512):
            assert model.forward_heatmap(torch.randn(1, 1, side, side)).shape == (1, 14, side // 4, side // 4)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_gradients_under_autocast_are_finite_where_the_map_is_smaller_than_the_kernel(side: int):
    """In bfloat16, PyTorch leaves untouched taps of a CPU convolution's weight gradient as its memory was."""
    for _ in range(8):
        attention = PyramidAttention(192, 64)
        dirty = [torch.full((192 * 49,), float("nan")) for _ in range(8)]
        x = torch.randn(16, 192, side, side).contiguous(memory_format=torch.channels_last)
        del dirty
        with torch.autocast("cpu", torch.bfloat16):
            out = attention(x)
        out.float().square().sum().backward()
        assert all(p.grad.isfinite().all() for p in attention.parameters())


def test_light_laterals_cost_less_than_the_papers():
    """1×1 to the width, 3×3 on each channel, 1×1: three biases and two norms of the width."""
    width, channels = 128, (1024, 512, 256)

    def light(channel: int) -> int:
        return channel * width + width * 9 + width * width + 3 * width + 4 * width

    proposed, attention = count("pylon_resnet50"), count("pylon_resnet50", attention=False)
    lighter = count("pylon_resnet50", attention=False, lateral="light")
    papers = sum(c * c + c * width + (c + width) + 2 * (c + width) for c in channels)
    assert attention - lighter == papers - sum(map(light, channels)) - (light(2048) - (2048 * width + 3 * width))
    assert lighter < attention < proposed


def test_light_laterals_see_their_neighbours():
    """A change of one cell of a level moves the nine around it, and no more."""
    lateral = randomize_norms(Upsampling(4, 8, light=True)).lateral
    maps = torch.rand(1, 4, 9, 9)
    changed = maps.clone()
    changed[..., 4, 4] += 5
    moved = (lateral(maps) != lateral(changed)).any(1)[0]
    assert moved[3:6, 3:6].any()
    moved[3:6, 3:6] = False
    assert not moved.any()
