"""Precisions that a faster copy of a model runs in."""

from __future__ import annotations

import torch

from pylon_zoo.errors import UnknownNameError, suggest

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dtype_of(name: str) -> torch.dtype:
    """The dtype by its name.

    Raises:
        UnknownNameError: another name than those of `PRECISIONS`.

    Example:
        >>> dtype_of("bfloat16")
        torch.bfloat16
    """
    if name not in PRECISIONS:
        raise UnknownNameError(f"optimized={name!r} is not one of {', '.join(PRECISIONS)}.{suggest(name, PRECISIONS)}")
    return PRECISIONS[name]
