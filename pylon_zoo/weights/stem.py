"""Weights for images of another number of channels.

The rule. To one channel: the kernels of all channels are summed (as the authors do, who started from colour
networks), so that a grey image gives what its repetition in every channel gave. From one channel to C: the kernel is
repeated and divided by C, so that a grey image repeated C times gives what the one channel gave. Both hold for
normalised images. Anything else would be a guess at what the channels mean, and is refused; so are stems that are no
plain convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier

PLAIN = ("Conv2d", "Conv2dSame")  # those of timm that standardise their kernels would undo the rule


def adapt_stem(
    model: HeatmapClassifier, state: Mapping[str, Tensor], in_chans: int, where: str
) -> Mapping[str, Tensor]:
    """A checkpoint's tensors, made to fit a model that takes another number of channels.

    The parameters that consume the input are found, not looked up: they are those of the encoder whose shape is not
    the checkpoint's although nothing but the channel count differs.

    Args:
        model: built for its own `in_chans`.
        state: the checkpoint's tensors.
        in_chans: the checkpoint's channel count.
        where: what to call the checkpoint in errors.

    Returns:
        `state` itself where nothing is to be done.

    Raises:
        ConfigError: neither count is 1, or the stem is no plain convolution; says which layer.
    """
    if in_chans == model.in_chans:
        return state
    wish = f"in_chans={model.in_chans}, but the weights in {where} take {in_chans}"
    advice = "Leave it out and convert the images: pylon_zoo.preprocess(model) does."
    if 1 not in (in_chans, model.in_chans):
        raise ConfigError(f"{wish}; only one channel can be made of several, or several of one. {advice}")
    own = model.state_dict()
    adapted = dict(state)
    for name, tensor in own.items():
        if name not in state or not name.startswith("encoder.") or state[name].shape == tensor.shape:
            continue
        layer = model.get_submodule(name.rpartition(".")[0])
        expected = (tensor.shape[0], in_chans, *tensor.shape[2:])
        if type(layer).__name__ not in PLAIN or layer.groups > 1 or tuple(state[name].shape) != expected:
            raise ConfigError(
                f"{wish}, and the stem of {model.architecture} cannot be adapted: {name}, a "
                f"{type(layer).__name__}, is no plain convolution over the channels. {advice}"
            )
        kernel = state[name].float()
        if model.in_chans == 1:
            adapted[name] = kernel.sum(dim=1, keepdim=True)
        else:
            adapted[name] = kernel.repeat(1, model.in_chans, 1, 1) / model.in_chans
    return adapted


def adapt_input(cfg: Mapping[str, Any], in_chans: int) -> dict[str, Any]:
    """A `pretrained_cfg` for that many channels; each gets the average mean and standard deviation of the old ones."""
    size = cfg.get("input_size")
    if size is None or size[0] == in_chans:
        return dict(cfg)
    averages = {name: (sum(cfg[name]) / len(cfg[name]),) * in_chans for name in ("mean", "std") if name in cfg}
    return {**cfg, **averages, "input_size": (in_chans, *size[1:])}
