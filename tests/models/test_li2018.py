from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model


def test_the_grid_does_not_depend_on_the_input():
    model = build_model("li2018_test_resnet", 3, decoder_channels=8).eval()
    for size in ((64, 64), (300, 417)):
        assert model.forward_heatmap(torch.zeros(1, 3, *size)).shape == (1, 3, 20, 20)
    assert build_model("li2018_test_resnet", 3, grid=7).eval().forward_heatmap(torch.zeros(1, 3, 64, 64)).shape[2] == 7


def test_it_is_the_published_network_step_by_step():
    model = build_model("li2018_test_resnet", 3, decoder_channels=8).eval()
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        last = torch.nn.UpsamplingBilinear2d((20, 20))(model.encoder(x)[0])
        conv = model.decoder.conv
        convolved = torch.nn.functional.conv2d(last, conv.conv.weight, conv.conv.bias, padding=1)
        maps = model.head(torch.relu(conv.norm(convolved)))
        p = maps.double().sigmoid()
        absent = ((1 - 0.98) * (1 - p) + 0.98).flatten(2).prod(dim=2)
        torch.testing.assert_close(model.forward_heatmap(x), maps)
        torch.testing.assert_close(model(x).sigmoid().double(), 1 - absent, rtol=1e-5, atol=1e-6)


def test_parameters_are_the_published_ones():
    model = build_model("li2018_resnet50", 14, 1)
    assert sum(p.numel() for p in model.parameters()) == 32_947_662


def test_group_norm_is_an_option():
    names = {type(layer).__name__ for layer in build_model("li2018_test_resnet", 3, norm="group").decoder.modules()}
    assert "GroupNorm" in names
    assert "BatchNorm2d" not in names


@pytest.mark.parametrize("option", [{"grid": 0}, {"decoder_channels": 0}, {"norm": "layer"}])
def test_impossible_options(option: dict[str, object]):
    with pytest.raises(ConfigError, match=f"{next(iter(option))}=.* is not valid"):
        build_model("li2018_test_resnet", 3, **option)
