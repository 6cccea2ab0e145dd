"""The state dict in what a checkpoint of PyTorch holds, whatever a trainer or a wrapper put around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pylon_zoo.errors import WeightsError

# Keys that trainers keep a state dict under; the average of weights, which is what was validated, first as in timm.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.")  # of data parallel and of compiled models


def find_state_dict(content: Any, where: str) -> dict[str, Tensor]:
    """The state dict alone, its names without the prefixes of wrappers.

    Args:
        content: what was read.
        where: what to call it in errors.

    Raises:
        WeightsError: there is none; names what is there.

    Example:
        >>> import torch
        >>> find_state_dict({"epoch": 3, "state_dict": {"module.bias": torch.ones(1)}}, "the file")
        {'bias': tensor([1.])}
    """
    while isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{where} holds a {type(content).__name__}, not a state dict. Give the model's state dict.")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{where} holds {name!r}, a {type(value).__name__}, where a state dict has tensors. Give that alone."
            )
    return {_bare(name): tensor for name, tensor in content.items()}


def _bare(name: str) -> str:
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    return name
