"""State dicts with the names and shapes of the authors' release, and the arithmetic of their networks.

Written from the published description with torchvision's ResNet as encoder; nothing of the package is used.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

State = dict[str, Tensor]
ATTENTION = {"down1.1": 7, "down2.1": 5, "down3.1": 3, "conv3": 3, "conv2": 5, "conv1": 7}  # → kernel


def pylon_state(
    resnet: str = "resnet50", num_classes: int = 14, in_chans: int = 1, layers: int = 2, width: int = 128, seed: int = 0
) -> State:
    """A random PYLON of the release's form."""
    generator = torch.Generator().manual_seed(seed)
    state = {f"net.encoder.{name}": value for name, value in encoder_state(resnet, in_chans, generator).items()}
    deepest = channels(state, "net.encoder.")
    pa = "net.decoder.pa."
    state |= conv_bn(f"{pa}mid.0.", deepest[3], width, 1, generator)
    for name, kernel in ATTENTION.items():
        state |= conv_bn(f"{pa}{name}.", deepest[3] if name == "down1.1" else 1, 1, kernel, generator)
        # A mask that lives and stays near 1: random signs alone can leave it zero everywhere.
        state[f"{pa}{name}.bn.weight"] = torch.full((1,), 0.6)
        state[f"{pa}{name}.bn.bias"] = torch.full((1,), 0.2)
    for level in (3, 2, 1):
        inside, up = deepest[level - 1], f"net.decoder.up{level}.conv1."
        if layers == 2:
            state |= conv_bn(f"{up}0.", inside, inside, 1, generator)
            state |= conv_bn(f"{up}1.", inside, width, 1, generator)
        else:
            state |= conv_bn(up, inside, width, 1, generator)
    state["net.segmentation_head.0.weight"] = torch.randn(num_classes, width, 1, 1, generator=generator)
    state["net.segmentation_head.0.bias"] = torch.randn(num_classes, generator=generator)
    return state


def baseline_state(resnet: str = "resnet50", num_classes: int = 14, in_chans: int = 1, seed: int = 0) -> State:
    """A random Baseline of the release's form."""
    generator = torch.Generator().manual_seed(seed)
    state = {f"net.{name}": value for name, value in encoder_state(resnet, in_chans, generator).items()}
    deepest = channels(state, "net.")[3]
    state["out.weight"] = torch.randn(num_classes, deepest, 1, 1, generator=generator) / deepest**0.5
    state["out.bias"] = torch.randn(num_classes, generator=generator)
    return state


def encoder_state(resnet: str, in_chans: int, generator: torch.Generator) -> State:
    """A ResNet's tensors without its classifier, norm statistics as after training."""
    with torch.device("meta"):
        reference = getattr(torchvision.models, resnet)(weights=None).state_dict()
        reference["conv1.weight"] = torch.empty(64, in_chans, 7, 7)
    state = {name: fill(name, value, generator) for name, value in reference.items() if not name.startswith("fc.")}
    last = "bn3" if "layer1.0.bn3.weight" in state else "bn2"
    for name in state:
        # Residual branches that add little, as trained ones do, or the deepest map would drown the others.
        if name.endswith((f"{last}.weight", f"{last}.bias")) and name.startswith("layer"):
            state[name] *= 0.2
    return state


def conv_bn(prefix: str, inside: int, outside: int, kernel: int, generator: torch.Generator) -> State:
    """A convolution with bias and its normalisation."""
    shapes = {
        "conv.weight": (outside, inside, kernel, kernel),
        "conv.bias": (outside,),
        **dict.fromkeys(("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"), (outside,)),
        "bn.num_batches_tracked": (),
    }
    return {prefix + name: fill(name, torch.empty(shape), generator) for name, shape in shapes.items()}


def fill(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """Values as a trained network has them: He-scaled kernels, positive variances."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if like.ndim == 4:
        return torch.randn(like.shape, generator=generator) * (1.5 / like[0].numel()) ** 0.5
    if name.endswith(("running_var", "weight")):
        return 0.5 + torch.rand(like.shape, generator=generator)
    return 0.2 * torch.randn(like.shape, generator=generator)


def channels(state: State, prefix: str) -> list[int]:
    """Channels of the four stages."""
    last = "conv3" if f"{prefix}layer1.0.conv3.weight" in state else "conv2"
    return [len(state[f"{prefix}layer{stage}.0.{last}.weight"]) for stage in (1, 2, 3, 4)]


@torch.inference_mode()
def pylon_heatmap(state: State, images: Tensor, resnet: str = "resnet50") -> tuple[Tensor, Tensor]:
    """Heatmap (N, K, h, w) and attention mask (N, 1, h/8, w/8) of their PYLON in eval mode."""
    stages = encode(state, "net.encoder.", images, resnet)
    deepest, pa = stages[-1], "net.decoder.pa."
    middle = conv_bn_relu(state, f"{pa}mid.0.", deepest)
    x1 = conv_bn_relu(state, f"{pa}down1.1.", F.max_pool2d(deepest, 2))
    x2 = conv_bn_relu(state, f"{pa}down2.1.", F.max_pool2d(x1, 2))
    x3 = conv_bn_relu(state, f"{pa}down3.1.", F.max_pool2d(x2, 2))
    mask = twice(conv_bn_relu(state, f"{pa}conv3.", x3))
    mask = twice(conv_bn_relu(state, f"{pa}conv2.", x2) + mask)
    mask = twice(conv_bn_relu(state, f"{pa}conv1.", x1) + mask)
    out = mask * middle
    for level in (3, 2, 1):
        up, lateral = f"net.decoder.up{level}.conv1.", stages[level - 1]
        for prefix in (f"{up}0.", f"{up}1.") if f"{up}0.conv.weight" in state else (up,):
            lateral = conv_bn_relu(state, prefix, lateral)
        out = twice(out) + lateral
    head = "net.segmentation_head.0."
    return F.conv2d(out, state[f"{head}weight"], state[f"{head}bias"]), mask


@torch.inference_mode()
def baseline_heatmap(state: State, images: Tensor, resnet: str = "resnet50") -> Tensor:
    """Heatmap (N, K, h, w) of their Baseline in eval mode."""
    return F.conv2d(encode(state, "net.", images, resnet)[-1], state["out.weight"], state["out.bias"])


def encode(state: State, prefix: str, images: Tensor, resnet: str) -> list[Tensor]:
    """The maps after the four stages, strides 4 to 32."""
    with torch.device("meta"):
        network = getattr(torchvision.models, resnet)(weights=None)
        network.conv1 = torch.nn.Conv2d(images.shape[1], 64, 7, stride=2, padding=3, bias=False)
    network.fc = torch.nn.Identity()
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    network.load_state_dict({name: own[name] for name in network.state_dict()}, assign=True)
    network.eval()
    x = network.maxpool(F.relu(network.bn1(network.conv1(images))))
    stages = []
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = stage(x)
        stages.append(x)
    return stages


def conv_bn_relu(state: State, prefix: str, x: Tensor) -> Tensor:
    """Convolution that keeps the size, normalisation by running statistics, ReLU."""
    kernel = state[f"{prefix}conv.weight"]
    x = F.conv2d(x, kernel, state[f"{prefix}conv.bias"], padding=kernel.shape[-1] // 2)
    statistics = (state[f"{prefix}bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.relu(F.batch_norm(x, *statistics, training=False, eps=1e-5))


def twice(x: Tensor) -> Tensor:
    """Their upsampling in the decoder."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
