"""The segmentation networks against smp's own models on its `tu-` encoders, weights copied over."""

from __future__ import annotations

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier

CLASSES = 3
# Method → (smp's name of it, its options there, ours).
THEIRS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "unet": ("unet", {"decoder_channels": (256, 128, 64, 64, 64)}, {}),
    "fpn": ("fpn", {"decoder_dropout": 0.0, "upsampling": 1}, {"norm": "group"}),
    "pan": ("pan", {"decoder_channels": 128, "encoder_output_stride": 32, "upsampling": 1}, {}),
    "deeplabv3plus": ("deeplabv3plus", {"upsampling": 1}, {}),
}
BACKBONES = ("test_resnet", "test_efficientnet", "test_convnext", "test_mambaout")


def pair(method: str, backbone: str) -> tuple[HeatmapClassifier, nn.Module]:
    """Our model and smp's with the same weights, norms with statistics that matter."""
    name, theirs_options, our_options = THEIRS[method]
    torch.manual_seed(0)
    theirs = smp.create_model(
        name, f"tu-{backbone}", encoder_weights=None, in_channels=3, classes=CLASSES, **theirs_options
    )
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 1.5)
    ours = build_model(f"{method}_{backbone}", CLASSES, **our_options)
    state = {name.replace("segmentation_head.0.", "head."): tensor for name, tensor in theirs.state_dict().items()}
    ours.load_state_dict(state)
    return ours.eval(), theirs.eval()


CASES = [
    (method, backbone)
    for method in THEIRS
    for backbone in BACKBONES
    if (method, backbone) != ("deeplabv3plus", "test_mambaout")  # timm cannot dilate it
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "backbone"), CASES)
def test_the_numbers_are_smps(method: str, backbone: str):
    ours, theirs = pair(method, backbone)
    x = torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        torch.testing.assert_close(ours.forward_heatmap(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", THEIRS)
@pytest.mark.parametrize("size", [(300, 417), (224, 224), (33, 70)])
def test_other_sizes_are_padded_and_cropped(method: str, size: tuple[int, int]):
    ours, theirs = pair(method, "test_resnet")
    x = torch.randn(1, 3, *size)
    step = 16 if method == "deeplabv3plus" else 32
    padded = [-(-max(side, ours.min_size) // step) * step for side in size]
    stride = ours.output_stride
    height, width = (-(-side // stride) for side in size)
    with torch.no_grad():
        heatmap = ours.forward_heatmap(x)
        expected = theirs(F.pad(x, (0, padded[1] - size[1], 0, padded[0] - size[0])))[..., :height, :width]
    assert heatmap.shape == expected.shape == (1, CLASSES, height, width)
    # A 3×3 head sees zeros beyond the image where smp sees what the padding became: one cell at two borders.
    border = ours.head_kernel // 2
    inner: tuple[Any, ...] = (..., slice(height - border), slice(width - border))
    torch.testing.assert_close(heatmap[inner], expected[inner], rtol=1e-4, atol=1e-5)


def gated(model: HeatmapClassifier, constant: float) -> None:
    """Make everything that global pooling contributes to PAN constant."""
    decoder = model.decoder
    for conv in (decoder.fpa.branch1[1], decoder.gau1.conv1[1], decoder.gau2.conv1[1], decoder.gau3.conv1[1]):
        nn.init.zeros_(conv.bn.weight)
        nn.init.constant_(conv.bn.bias, constant)


def test_pan_without_gap_is_pan_with_the_pooled_branches_switched_off():
    torch.manual_seed(0)
    full = build_model("pan_test_resnet", CLASSES, decoder_channels=8).eval()
    bare = build_model("pan_test_resnet", CLASSES, decoder_channels=8, gap=False).eval()
    missing = bare.load_state_dict(full.state_dict(), strict=False)
    assert not missing.missing_keys
    assert all(".branch1." in name or ".conv1." in name for name in missing.unexpected_keys)
    gated(full, 0.0)
    for gau in (full.decoder.gau1, full.decoder.gau2, full.decoder.gau3):
        nn.init.constant_(gau.conv1[1].bn.bias, 30.0)  # a gate of sigmoid(30) = 1
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(bare.forward_heatmap(x), full.forward_heatmap(x), rtol=1e-4, atol=1e-5)


def test_deeplab_without_gap_is_deeplab_with_zero_weights_for_the_pooled_branch():
    torch.manual_seed(0)
    full = build_model("deeplabv3plus_test_resnet", CLASSES, decoder_channels=8).eval()
    bare = build_model("deeplabv3plus_test_resnet", CLASSES, decoder_channels=8, gap=False).eval()
    state = full.state_dict()
    project = "decoder.aspp.0.project.0.weight"
    state[project] = state[project][:, :32]
    bare.load_state_dict({name: tensor for name, tensor in state.items() if name in bare.state_dict()})
    with torch.no_grad():
        full.decoder.aspp[0].project[0].weight[:, 32:] = 0
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(bare.forward_heatmap(x), full.forward_heatmap(x), rtol=1e-4, atol=1e-5)


# Parameters of the published networks: ResNet-50, one channel, 14 classes.
COUNTS = {
    ("unet", ""): 32_654_414,
    ("fpn", ""): 26_111_438,
    ("fpn", "norm=group"): 26_111_438,
    ("pan", ""): 26_259_285,
    ("pan", "gap=False"): 25_946_453,
    ("deeplabv3plus", ""): 26_674_654,
    ("deeplabv3plus", "gap=False"): 26_084_318,
}
VARIANTS: dict[str, dict[str, Any]] = {"": {}, "norm=group": {"norm": "group"}, "gap=False": {"gap": False}}


@pytest.mark.parametrize(("method", "variant"), COUNTS)
def test_parameters_are_the_published_ones(method: str, variant: str):
    with torch.device("meta"):
        model = build_model(f"{method}_resnet50", 14, 1, **VARIANTS[variant])
    assert sum(p.numel() for p in model.parameters()) == COUNTS[method, variant]


def test_one_image_can_train_pan_and_deeplab():
    """Their pooled branches see one value per channel, which PyTorch's batch normalisation refuses."""
    for method in ("pan", "deeplabv3plus"):
        model = build_model(f"{method}_test_resnet", CLASSES, decoder_channels=8).train()
        logits: Tensor = model(torch.randn(1, 3, 256, 256))
        logits.sum().backward()
        assert logits.isfinite().all()


def test_bfloat16_training_leaves_finite_gradients_in_pan():
    model = build_model("pan_test_resnet", CLASSES, decoder_channels=8).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(torch.randn(2, 3, 128, 128)).sum()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
