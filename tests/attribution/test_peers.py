"""The same maps as pytorch-grad-cam, torch-cam and Captum, on their ground and on ours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torch.nn.functional as F
import torchcam.methods
from captum.attr import LayerGradCam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from pylon_zoo.attribution import GradCAM, LayerCAM, RefineCAM, create_attribution
from pylon_zoo.attribution.methods import scaled_to_unit

CLASSES = 4

# Kind of model, layer: the peers' own ground, and models of this library, which they must run on as they are.
PLACES = [
    ("timm-resnet", "layer4"),
    ("timm-resnet", "layer3"),
    ("resnet18", "layer4"),
    ("resnet18", "layer3"),
    ("pylon", "features"),
    ("pylon", "encoder.model.layer3"),
    ("cam", "features"),
    ("cam", "encoder.model.layer2"),
]


@pytest.fixture(params=PLACES, ids=lambda place: "-".join(place))
def place(request: pytest.FixtureRequest, build_kind, images_of) -> tuple[nn.Module, str, Tensor]:
    """Model, layer, images."""
    kind, layer = request.param
    return build_kind(kind), layer, images_of(kind)


def assert_same(actual: Tensor, expected: Tensor):
    """Equal to 1e-5 of the largest number, which is not nothing."""
    largest = expected.abs().max().item()
    assert largest > 1e-6
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5 * largest)


def theirs(name: str, model: nn.Module, layer: str, x: Tensor) -> Tensor:
    """Unscaled, rectified maps (N, K, h, w) of pytorch-grad-cam."""
    module = model.get_submodule(layer)
    maps = []
    with getattr(pytorch_grad_cam, name)(model, [module]) as cam:
        for label in range(CLASSES):
            targets = [ClassifierOutputTarget(label)] * len(x)
            cam(x, targets)
            seen = cam.activations_and_grads
            activations, grads = seen.activations[0].numpy(), seen.gradients[0].numpy()
            maps.append(np.maximum(cam.get_cam_image(x, module, targets, activations, grads, False), 0))
    return torch.from_numpy(np.stack(maps, axis=1)).float()


PYTORCH_GRAD_CAM = {
    "grad_cam": "GradCAM",
    "grad_cam++": "GradCAMPlusPlus",
    "xgrad_cam": "XGradCAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
}


@pytest.mark.slow
@pytest.mark.parametrize("method", PYTORCH_GRAD_CAM)
def test_pytorch_grad_cam(place, method: str):
    model, layer, x = place
    assert_same(create_attribution(method, model, layer, relu=True)(x), theirs(PYTORCH_GRAD_CAM[method], *place))


def test_pytorch_grad_cam_as_its_users_call_it(place):
    """Its result is ours scaled and resized."""
    import cv2

    model, layer, x = place
    maps = scaled_to_unit(GradCAM(model, layer, relu=True)(x, classes=[1]))[:, 0].numpy()
    expected = np.stack([cv2.resize(each, (x.shape[3], x.shape[2])) for each in maps])
    low, high = expected.min(axis=(1, 2), keepdims=True), expected.max(axis=(1, 2), keepdims=True)
    with pytorch_grad_cam.GradCAM(model, [model.get_submodule(layer)]) as cam:
        actual = cam(x, [ClassifierOutputTarget(1)] * len(x))
    np.testing.assert_allclose(actual, (expected - low) / (high - low), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_captum(place):
    model, layer, x = place
    peer = LayerGradCam(model, model.get_submodule(layer))
    for relu in (False, True):
        maps = [peer.attribute(x, target=label, relu_attributions=relu) for label in range(CLASSES)]
        assert_same(GradCAM(model, layer, relu=relu)(x), torch.cat(maps, dim=1).detach())


def torchcams(name: str, model: nn.Module, layers: list[str], x: Tensor, **options) -> list[list[Tensor]]:
    """Unscaled, rectified maps of torch-cam: class → layer → (N, h, w)."""
    maps = []
    for label in range(CLASSES):
        with getattr(torchcam.methods, name)(model, layers, **options) as extractor:
            maps.append(extractor(label, model(x), normalized=False))
    return maps


# Its Grad-CAM++ is another: it leaves the denominator of α out.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "name"), [("grad_cam", "GradCAM"), ("xgrad_cam", "XGradCAM"), ("layer_cam", "LayerCAM")]
)
def test_torchcam(place, method: str, name: str):
    model, layer, x = place
    maps = torch.stack([maps[0] for maps in torchcams(name, model, [layer], x)], dim=1)
    assert_same(create_attribution(method, model, layer, relu=True)(x), maps)


LAYERS = {"timm-resnet": ["layer2", "layer3", "layer4"], "pylon": ["encoder.model.layer3", "features"]}


@pytest.mark.parametrize("several", LAYERS)
def test_layer_cam_of_several_layers(build_kind, images_of, several: str):
    """torch-cam fuses maps of one size by the maximum, inside the paper's tanh(2·), which keeps their order."""
    model, x, layers = build_kind(several), images_of(several), LAYERS[several]
    ours = LayerCAM(model, layers, relu=True, placement="paper")(x)
    for label, maps in enumerate(torchcams("LayerCAM", model, layers, x)):
        scaled = [each / each.amax(dim=(1, 2), keepdim=True) for each in maps]
        resized = [F.interpolate(each[:, None], ours.shape[2:], mode="bilinear")[:, 0] for each in scaled]
        assert_same((2 * ours[:, label]).tanh(), torchcam.methods.LayerCAM.fuse_cams(resized))


class RefinedLayerCAM(LayerCAM):
    """LayerCAM's maps, combined as RefineCAM combines."""

    combine = RefineCAM.combine


@pytest.mark.parametrize("several", LAYERS)
def test_refine_cam_of_torchcam(build_kind, images_of, several: str):
    model, x, layers = build_kind(several), images_of(several), LAYERS[several]
    options = {"base_method": torchcam.methods.LayerCAM}
    maps = torch.stack([maps[0] for maps in torchcams("RefineCAM", model, layers, x, **options)], dim=1)
    # 1e-8 is added to its maxima, which are small here.
    ours = RefinedLayerCAM(model, layers, relu=True, placement="paper")(x)
    torch.testing.assert_close(ours, maps, rtol=0, atol=1e-4)


def test_refine_cam_of_pytorch_grad_cam():
    """Where all layers are as large as the image, so that it resizes nothing."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(a, 6, 3, padding=1), nn.ReLU()) for a in (3, 6, 6)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES)).eval()
    nn.init.normal_(model[-1].weight, std=30.0)
    x = torch.randn(1, 3, 12, 16)
    ours = scaled_to_unit(RefineCAM(model, ["1", "2"], relu=True)(x))
    peer = pytorch_grad_cam.RefineCAM(model, [model[1], model[2]])
    for label in range(CLASSES):
        expected = torch.from_numpy(peer(x, [ClassifierOutputTarget(label)]))
        torch.testing.assert_close(ours[:, label], expected, rtol=0, atol=1e-4)


def test_their_way_with_tokens(build_kind: Callable[..., nn.Module], images_of):
    """With the `reshape_transform` its users write for ViT and Swin, the same as without one here."""
    transforms = {
        "timm-vit": lambda tokens: tokens[:, 1:].unflatten(1, (10, 10)).permute(0, 3, 1, 2),
        "timm-swin": lambda maps: maps.permute(0, 3, 1, 2),
    }
    for kind, transform in transforms.items():
        model, x = build_kind(kind), images_of(kind)
        ours = GradCAM(model, relu=True)
        maps = ours(x)
        (module,) = ours.layers(x).values()
        with pytorch_grad_cam.GradCAM(model, [module], reshape_transform=transform) as cam:
            cam(x, [ClassifierOutputTarget(2)] * 2)
            seen = cam.activations_and_grads
            peers = cam.get_cam_image(x, module, [], seen.activations[0].numpy(), seen.gradients[0].numpy(), False)
        assert_same(maps[:, 2], torch.from_numpy(np.maximum(peers, 0)))
