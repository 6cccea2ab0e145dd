"""Whether a state dict is a model's, in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

SHOWN = 3  # names of many


def misfit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], names: Mapping[str, str]) -> str | None:
    """What keeps `state` from replacing `own`, in a few words, or None.

    Args:
        own: the model's state dict.
        state: the other one.
        names: what the user calls the tensors, where that is something else.

    Example:
        >>> import torch
        >>> misfit({"weight": torch.ones(2)}, {"weight": torch.ones(3)}, {})
        'weight has the shape (3,), but (2,) is needed'
    """
    problems = {
        "missing": [name for name in own if name not in state],
        "unknown": [name for name in state if name not in own],
    }
    for kind, keys in problems.items():
        if keys:
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            return f"{kind}: {', '.join(names.get(key, key) for key in keys[:SHOWN])}{more}"
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            return (
                f"{names.get(name, name)} has the shape {tuple(state[name].shape)}, but {tuple(tensor.shape)} is needed"
            )
    return None
