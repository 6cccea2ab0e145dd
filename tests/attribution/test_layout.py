"""Layouts: recognised from shapes written by hand, and turned into maps cell by cell."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision

from pylon_zoo.attribution.layout import Hints, Layout, check_layout, hints_of, layout_of, recognise
from pylon_zoo.errors import ConfigError, UnknownNameError

SQUARE = (224, 224)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((2, 512, 7, 7), SQUARE, Layout("NCHW", 7, 7)),
        ((2, 7, 7, 768), SQUARE, Layout("NHWC", 7, 7)),
        ((2, 64, 4, 6), (64, 96), Layout("NCHW", 4, 6)),
        ((2, 4, 6, 64), (64, 96), Layout("NHWC", 4, 6)),
        ((1, 512, 2, 2), (33, 50), Layout("NCHW", 2, 2)),  # rounded up: strides do not divide the sides
        ((1, 8, 8, 8), SQUARE, Layout("NCHW", 8, 8)),  # both fit
        ((1, 12, 197, 197), SQUARE, Layout("NCHW", 197, 197)),  # a square is a square
        ((1, 3, 197, 64), SQUARE, None),  # heads, tokens, channels
        ((2, 197, 768), SQUARE, Layout("tokens", 14, 14, 1)),
        ((2, 196, 768), SQUARE, Layout("tokens", 14, 14, 0)),
        ((2, 201, 768), SQUARE, Layout("tokens", 14, 14, 5)),
        ((2, 25, 96), (64, 96), Layout("tokens", 4, 6, 1)),
        ((2, 25, 96), (96, 64), Layout("tokens", 6, 4, 1)),
        ((2, 29, 8), (60, 100), Layout("tokens", 4, 7, 1)),  # 60 ÷ 16 rounded up, 100 ÷ 16 rounded up
        ((2, 2000, 4), SQUARE, None),  # 44 × 45 would leave 20 tokens
        ((2, 768), SQUARE, None),
        ((2, 3, 4, 4, 4), SQUARE, None),
    ],
)
def test_recognised(shape, size, expected):
    assert recognise(shape, size) == expected


def test_hints_decide_where_both_fit():
    assert recognise((1, 8, 8, 8), SQUARE, Hints(channels_last=True)).name == "NHWC"
    assert recognise((1, 512, 7, 7), SQUARE, Hints(channels_last=True)).name == "NCHW"
    # 26 tokens: five registers and 21 do not fit, whatever the model says; one and 25 do.
    assert recognise((1, 26, 8), (80, 80), Hints(prefix=5)) == Layout("tokens", 5, 5, 1)
    assert recognise((1, 21, 8), (64, 64), Hints(prefix=5)) == Layout("tokens", 4, 4, 5)
    assert recognise((1, 21, 8), (64, 64)) == Layout("tokens", 4, 5, 1)  # 4 × 5 is a square, give or take one cell


def test_what_models_say():
    assert hints_of(timm.create_model("test_mambaout")) == Hints(True, None)
    assert hints_of(timm.create_model("test_vit")) == Hints(False, 1)
    assert hints_of(timm.create_model("test_resnet")) == Hints()
    assert hints_of(torchvision.models.resnet18()) == Hints()


def test_maps_are_where_they_should_be():
    maps = torch.arange(2 * 3 * 2 * 4).view(2, 3, 2, 4)
    tokens = torch.cat([torch.full((2, 5, 3), -1), maps.flatten(2).mT], dim=1)
    assert torch.equal(Layout("NCHW", 2, 4).to_map(maps), maps)
    assert torch.equal(Layout("NHWC", 2, 4).to_map(maps.permute(0, 2, 3, 1)), maps)
    assert torch.equal(Layout("tokens", 2, 4, 5).to_map(tokens), maps)


def test_override():
    assert layout_of("a", (1, 8, 8, 8), SQUARE, Hints(), "NHWC") == Layout("NHWC", 8, 8)
    assert layout_of("a", (1, 7, 7, 512), SQUARE, Hints(), "NCHW") == Layout("NCHW", 7, 512)
    assert layout_of("a", (1, 17, 8), SQUARE, Hints(), "tokens") == Layout("tokens", 4, 4, 1)


def test_a_chosen_layer_whose_shape_fits_nothing_is_nchw():
    assert layout_of("a", (1, 8, 1, 9), (100, 300), Hints()) == Layout("NCHW", 1, 9)


@pytest.mark.parametrize(
    ("shape", "override", "message"),
    [
        ((1, 8), None, r"Layer 'a' gives \(1, 8\), which is neither a map .* nor tokens .* 224×224 images"),
        ((1, 40, 8), "NCHW", r"gives \(1, 40, 8\), which cannot be NCHW"),
        ((1, 8, 7, 7), "tokens", r"cannot be tokens"),
        ((1, 2000, 4), "tokens", r"nor tokens"),
    ],
)
def test_what_cannot_be(shape, override, message):
    with pytest.raises(ConfigError, match=message):
        layout_of("a", shape, SQUARE, Hints(), override)


def test_unknown_layouts():
    with pytest.raises(UnknownNameError, match=r"layout='token' is not one of .*Did you mean 'tokens'"):
        check_layout("token")
    check_layout(None)
    check_layout("NHWC")
