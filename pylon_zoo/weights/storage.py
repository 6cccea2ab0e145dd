"""Tensors on their way into a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pylon_zoo.errors import WeightsError


def stored_tensors(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """A state dict as a file takes it: on the CPU, contiguous, no two tensors sharing memory.

    Args:
        state: any state dict.
        dtype: type of floating-point tensors in the file; None keeps theirs.

    Raises:
        WeightsError: a tensor is not finite, or too large for `dtype`; names it.

    Example:
        >>> stored_tensors({"bias": torch.ones(2)}, torch.float16)["bias"].dtype
        torch.float16
    """
    stored = {}
    for name, tensor in state.items():
        kept = tensor.detach().to("cpu")
        if not bool(kept.isfinite().all()):
            raise WeightsError(f"{name} holds NaN or infinity: the training diverged. Nothing was saved.")
        if dtype is not None and kept.is_floating_point():
            kept = kept.to(dtype)
            if bool(kept.isinf().any()):
                raise WeightsError(f"{name} holds values too large for {dtype}. Save the checkpoint in float32.")
        # A copy, because safetensors takes no strides and no two tensors that share memory.
        stored[name] = kept.clone(memory_format=torch.contiguous_format)
    return stored
