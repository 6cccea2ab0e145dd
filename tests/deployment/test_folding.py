"""Which normalisations are folded, which are left alone, and that the numbers stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from random_norms import randomize_norms
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from pylon_zoo.deployment.folding import find_pairs, fold_norms


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Net(nn.Module):
    """Layers named `conv`, `norm`, … and a function of the network and an image."""

    def __init__(self, run: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


class Standardized(nn.Conv2d):
    """A convolution whose weight is made anew in each forward, as timm's `StdConv2d`."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, padding=self.padding)


class Doubling(nn.BatchNorm2d):
    """A subclass that does more than its parent."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def conv(a: int = 4, b: int = 4, **options: bool) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, padding=1, **options)


def norm(channels: int = 4, **options: bool) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, **options)


SHARED = norm()
# Network → how many of its normalisations can be folded.
NETS: dict[str, tuple[nn.Module, int]] = {
    "convolution, normalisation": (nn.Sequential(conv(), norm()), 1),
    "without bias": (nn.Sequential(conv(bias=False), norm(), nn.ReLU()), 1),
    "without affine transform": (nn.Sequential(conv(), norm(affine=False)), 1),
    "two in a row": (nn.Sequential(conv(), norm(), nn.ReLU(inplace=True), conv(), norm()), 2),
    "an activation inside": (nn.Sequential(conv(), BatchNormAct2d(4), conv()), 1),
    "depthwise": (nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), norm(8)), 1),
    "a normalisation first": (nn.Sequential(norm(), nn.ReLU(), conv()), 0),
    "two normalisations in a row": (nn.Sequential(conv(), norm(), norm()), 1),
    "an activation between": (nn.Sequential(conv(), nn.ReLU(), norm()), 0),
    "no running statistics": (nn.Sequential(conv(), norm(track_running_stats=False)), 0),
    "a weight of its own making": (nn.Sequential(Standardized(4, 4, 3, padding=1), norm()), 0),
    "an unknown kind of normalisation": (nn.Sequential(conv(), Doubling(4)), 0),
    "the convolution's map is used twice": (
        Net(lambda net, x: net.norm(y := net.conv(x)) + y, conv=conv(), norm=norm()),
        0,
    ),
    "the normalised map is used twice": (
        Net(lambda net, x: (y := net.norm(net.conv(x))) + y.relu(), conv=conv(), norm=norm()),
        1,
    ),
    "one convolution, two normalisations": (
        Net(lambda net, x: net.a(net.conv(x)) + net.b(net.conv(2 * x)), conv=conv(), a=norm(), b=norm()),
        0,
    ),
    "two convolutions, one normalisation": (
        Net(lambda net, x: net.norm(net.a(x)) + net.norm(net.b(x)), a=conv(), b=conv(), norm=norm()),
        0,
    ),
    "a pair that runs twice": (
        Net(lambda net, x: net.norm(net.conv(net.norm(net.conv(x)))), conv=conv(), norm=norm()),
        1,
    ),
    "a normalisation that takes the image too": (
        Net(lambda net, x: net.norm(net.conv(net.norm(x))), conv=conv(), norm=norm()),
        0,
    ),
    "one module under two names": (
        Net(lambda net, x: net.norm(net.conv(x)) + net.other(net.conv(2 * x)), conv=conv(), norm=SHARED, other=SHARED),
        1,
    ),
}


@pytest.mark.parametrize(("net", "folded"), NETS.values(), ids=NETS.keys())
def test_folds_what_it_can_and_keeps_the_numbers(net: nn.Module, folded: int):
    randomize_norms(net)
    x = torch.randn(2, 4, 7, 6)
    with torch.no_grad():
        expected = net(x)
        before = len(norms(net))
        assert fold_norms(net, lambda: net(x)) == folded
        assert len(norms(net)) == before - folded
        torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


def norms(net: nn.Module) -> list[nn.Module]:
    return [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]


def test_a_pair_is_named_by_its_modules():
    net = nn.Sequential(conv(), norm(), conv(), nn.ReLU(), norm()).eval()
    assert find_pairs(net, lambda: net(torch.zeros(1, 4, 5, 5))) == [(net[0], net[1])]


def test_weights_are_the_normalised_ones():
    net = randomize_norms(nn.Sequential(conv(), norm()))
    scale = net[1].weight / (net[1].running_var + net[1].eps).sqrt()
    weight = (net[0].weight * scale.view(-1, 1, 1, 1)).detach()
    bias = ((net[0].bias - net[1].running_mean) * scale + net[1].bias).detach()
    fold_norms(net, lambda: net(torch.zeros(1, 4, 5, 5)))
    torch.testing.assert_close(net[0].weight.data, weight)
    torch.testing.assert_close(net[0].bias.data, bias)
