"""Weights for images of another number of channels, by timm's rule.

To one channel: the kernels of all channels are summed (as the authors do, who started from colour networks), so that a
grey image gives what its repetition in every channel gave. To C channels: the kernels are repeated in turn and scaled
by old ÷ new, so that the first maps keep their size; from one channel, a grey image repeated C times gives what the one
channel gave. Stems that are no plain convolution are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.models import adapt_input_conv
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import per_channel
from pylon_zoo.models.contract import HeatmapClassifier

PLAIN = ("Conv2d", "Conv2dSame")  # those of timm that standardise their kernels would undo the rule


def adapt_stem(
    model: HeatmapClassifier, state: Mapping[str, Tensor], in_chans: int, where: str
) -> Mapping[str, Tensor]:
    """A checkpoint's tensors, made to fit a model that takes another number of channels.

    The encoder's parameters that consume the input are found, not looked up: they are those whose shape is not the
    checkpoint's although nothing but the channel count differs.

    Args:
        model: built for its own `in_chans`.
        state: the checkpoint's tensors.
        in_chans: the checkpoint's channel count.
        where: what to call the checkpoint in errors.

    Returns:
        `state` itself where nothing is to be done.

    Raises:
        ConfigError: the stem is no plain convolution; says which layer.
    """
    if in_chans == model.in_chans:
        return state
    refusal = (
        f"in_chans={model.in_chans}, but the weights in {where} take {in_chans}, and the stem of {model.architecture} "
        "cannot be adapted: {}. Leave it out and convert the images: pylon_zoo.preprocess(model) does."
    )
    own = model.state_dict()
    adapted = dict(state)
    beside = {f"{name}.weight" for name in model.first_conv()}  # the encoder's own, and a decoder's
    may = [name for name in own if (name.startswith("encoder.") or name in beside) and name in state]
    stems = [name for name in may if state[name].shape != own[name].shape]
    if not stems:
        raise ConfigError(refusal.format("none of its tensors depends on the channels"))
    for name in stems:
        layer = model.get_submodule(name.rpartition(".")[0])
        expected = (own[name].shape[0], in_chans, *own[name].shape[2:])
        groups: int = getattr(layer, "groups", 1)
        if type(layer).__name__ not in PLAIN or groups > 1 or tuple(state[name].shape) != expected:
            raise ConfigError(
                refusal.format(f"{name}, a {type(layer).__name__}, is no plain convolution over the channels")
            )
        # In float32, because timm keeps the type and half precision would round the sums.
        adapted[name] = adapt_input_conv(model.in_chans, state[name].float(), base_chans=in_chans)
    return adapted


def adapt_input(cfg: Mapping[str, Any], in_chans: int) -> dict[str, Any]:
    """A `pretrained_cfg` for that many channels; each gets the average mean and standard deviation of the old ones."""
    size = cfg.get("input_size")
    if size is None or size[0] == in_chans:
        return dict(cfg)
    averages = {name: per_channel(cfg[name], in_chans) for name in ("mean", "std") if name in cfg}
    return {**cfg, **averages, "input_size": (in_chans, *size[1:])}
