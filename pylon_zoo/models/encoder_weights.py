"""Weights of a whole timm network in the encoder that is made of it, strict about every tensor.

timm's extractors wrap the network and make dots of its names underscores, so tensors are matched by names with
underscores alone; `tests/models/test_encoder_weights.py` shows for every family that these are the same ones.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.models import adapt_input_conv, model_entrypoint
from torch import Tensor, nn

from pylon_zoo.errors import WeightsError
from pylon_zoo.models.misfit import misfit
from pylon_zoo.models.timm_network import TimmNetwork, create_network

FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
"""What timm calls the function of a family that turns other libraries' state dicts, and other sizes, into its own."""
COUNTER = "num_batches_tracked"  # of batch normalisation; old files lack it, and it changes no output


@dataclass(frozen=True)
class EncoderWeights:
    """Weights of a whole network.

    Attributes:
        state: its state dict, named as timm names it or as timm knows to convert.
        where: what to call the source in errors.
        description: what the source says of its input: fields of timm's `pretrained_cfg` in place of timm's own.
    """

    state: Mapping[str, Tensor]
    where: str
    description: Mapping[str, Any] = field(default_factory=dict)

    def num_classes(self, name: str) -> int | None:
        """Rows of the classifier among them, None if there is none; `name` is the timm architecture."""
        whole = _whole(name)
        state = _converted(self, whole, name)
        weights = (state.get(f"{head}.weight") for head in _names(whole.pretrained_cfg.get("classifier")))
        return next((weight.shape[0] for weight in weights if weight is not None), None)


def fill_encoder(
    network: nn.Module, weights: EncoderWeights, name: str, in_chans: int, options: Mapping[str, Any]
) -> None:
    """Load a whole network's weights into an encoder.

    The classifier, and layers after the encoder's last map, are left out. Where the channels differ, the stem is
    adapted by timm's rule: summed to one channel, otherwise repeated and scaled.

    Args:
        network: timm's extractor without its wrappers, or the whole network; changed in place.
        weights: what to load; every tensor of the encoder, and none that the architecture does not know.
        name, in_chans, options: what `timm.create_model` made `network` from.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape; names the first ones.

    Example:
        >>> donor, network = (create_network("test_resnet") for _ in range(2))
        >>> fill_encoder(network, EncoderWeights(donor.state_dict(), "the donor"), "test_resnet", 3, {})
    """
    whole = _whole(name, in_chans=in_chans, **options)
    known = {_flat(key) for key in whole.state_dict()}
    heads = tuple(f"{_flat(head)}_" for head in _names(whole.pretrained_cfg.get("classifier")))
    state = _adapted(_converted(weights, whole, name), whole, in_chans)
    given = {_flat(key): tensor for key, tensor in state.items()}
    names = {_flat(key): key for key in (*whole.state_dict(), *state)}
    own = {_flat(key): tensor for key, tensor in network.state_dict().items()}
    counters = {key: tensor for key, tensor in own.items() if key.endswith(COUNTER)}
    used = counters | {
        key: tensor for key, tensor in given.items() if key in own or (key not in known and not key.startswith(heads))
    }
    if problem := misfit(own, used, names):
        raise WeightsError(
            f"The weights in {weights.where} do not fit {name}: {problem}. Give weights of that architecture, or take "
            "the backbone that they are of."
        )
    network.load_state_dict({key: used[_flat(key)].to(old.dtype) for key, old in network.state_dict().items()})


def _whole(name: str, **options: Any) -> TimmNetwork:
    """The network without numbers: the names and shapes of its tensors, and where stem and classifier are."""
    with torch.device("meta"):
        return create_network(name, **options)


def _converted(weights: EncoderWeights, whole: nn.Module, name: str) -> dict[str, Tensor]:
    """The tensors as timm names and shapes them for that network."""
    module = sys.modules[model_entrypoint(name.partition(".")[0]).__module__]
    convert = next((getattr(module, one) for one in FILTERS if hasattr(module, one)), None)
    state = dict(weights.state)
    if convert is None:
        return state
    try:
        return dict(convert(state, whole) if len(inspect.signature(convert).parameters) > 1 else convert(state))
    except Exception as error:  # they index tensors by name and compute with shapes, and were written for sound files
        raise WeightsError(
            f"The weights in {weights.where} do not fit {name}: timm cannot convert them ({type(error).__name__}: "
            f"{error}). Give weights of that architecture."
        ) from error


def _adapted(state: dict[str, Tensor], whole: TimmNetwork, in_chans: int) -> dict[str, Tensor]:
    """The tensors with stems for that many channels, where timm has a rule."""
    for stem in _names(whole.pretrained_cfg.get("first_conv")):
        weight, layer = state.get(f"{stem}.weight"), whole.get_submodule(stem)
        if weight is None or weight.ndim != 4 or not isinstance(layer, nn.Conv2d):
            continue
        # Stems that fold space into channels have a multiple of the images' channels.
        theirs = weight.shape[1] * layer.groups * in_chans // layer.in_channels
        if theirs in (0, in_chans):
            continue
        try:
            state[f"{stem}.weight"] = adapt_input_conv(in_chans, weight.float(), base_chans=theirs)
        except NotImplementedError:
            continue  # the shape is named with all others that do not fit
    return state


def _names(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _flat(name: str) -> str:
    return name.replace(".", "_")
