"""Weights for images of another number of channels: by the stated rule, or refused."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import model_config, model_from
from pylon_zoo.weights.stem import adapt_input, adapt_stem

# One small network of each kind that timm has for its own tests, and some whose stem has another name or form.
PLAIN = [
    *(f"pylon_{name}" for name in timm.list_models("test_*")),
    "pylon_densenet121",
    "pylon_regnetx_002",
    "pylon_mobilenetv3_small_050",
    "pylon_tf_efficientnet_b0",
    "cam_resnet18d",
]
STANDARDISED = ["pylon_test_nfnet", "cam_resnetv2_50x1_bit"]


def of_channels(model: nn.Module, in_chans: int) -> nn.Module:
    """The model's weights in one for other channels."""
    return model_from(model_config(model, {}), model.state_dict(), where="there", in_chans=in_chans)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in PLAIN if name not in STANDARDISED])
def test_a_grey_image_gives_the_same_in_one_channel_and_in_all(architecture: str) -> None:
    torch.manual_seed(0)
    grey = torch.randn(1, 1, 64, 64)
    for trained, other in ((3, 1), (1, 3), (1, 5)):
        model = build_model(architecture, 2, trained).eval()
        adapted = of_channels(model, other)
        assert adapted.in_chans == other
        with torch.inference_mode():
            torch.testing.assert_close(
                adapted(grey.expand(1, other, 64, 64)), model(grey.expand(1, trained, 64, 64)), rtol=1e-3, atol=1e-3
            )


@pytest.mark.parametrize("architecture", STANDARDISED)
def test_a_stem_that_standardises_its_kernels_is_refused(architecture: str) -> None:
    model = build_model(architecture, 2, 3)
    with pytest.raises(ConfigError, match=r"in_chans=1, but the weights in there take 3, and the stem .*StdConv2d"):
        of_channels(model, 1)


def test_the_rule_in_numbers() -> None:
    model = build_model("cam_resnet18", 2, 1)
    kernel = torch.arange(64 * 3 * 49, dtype=torch.float32).reshape(64, 3, 7, 7)
    state = {**model.state_dict(), "encoder.model.conv1.weight": kernel}
    summed = adapt_stem(model, state, 3, "there")["encoder.model.conv1.weight"]
    assert summed[0, 0, 0, 0] == 0 + 49 + 98
    state["encoder.model.conv1.weight"] = kernel[:, :1]
    repeated = adapt_stem(build_model("cam_resnet18", 2, 3), state, 1, "there")["encoder.model.conv1.weight"]
    assert repeated.shape == (64, 3, 7, 7)
    torch.testing.assert_close(repeated[:, 2], kernel[:, 0] / 3)


@pytest.mark.parametrize(("trained", "other"), [(3, 4), (3, 2), (4, 3)])
def test_several_channels_of_several_are_repeated_in_turn_and_scaled(trained: int, other: int) -> None:
    model = build_model("pylon_test_resnet", 2, trained)
    kernel = model.encoder.model.conv1[0].weight
    adapted = of_channels(model, other).encoder.model.conv1[0].weight
    for channel in range(other):
        torch.testing.assert_close(adapted[:, channel], kernel[:, channel % trained] * trained / other)


def test_the_same_channels_leave_the_tensors_alone() -> None:
    model = build_model("pylon_test_resnet", 2, 3)
    state = model.state_dict()
    assert adapt_stem(model, state, 3, "there") is state


def test_mean_and_deviation_are_averaged() -> None:
    cfg = {"input_size": (3, 64, 32), "mean": (0.25, 0.5, 0.75), "std": (0.25, 0.25, 0.25), "interpolation": "bicubic"}
    one = adapt_input(cfg, 1)
    assert one == {"input_size": (1, 64, 32), "mean": (0.5,), "std": (0.25,), "interpolation": "bicubic"}
    assert adapt_input(one, 3) == {**cfg, "mean": (0.5,) * 3}
    assert adapt_input(cfg, 3) == cfg
