"""Accelerate, set up for a device and a precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_accelerator(device: str | None, precision: str) -> Accelerator:
    """The engine of a run.

    Args:
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, …; None takes the best there is, or what `accelerate launch` says.
        precision: `"no"`, `"fp16"` or `"bf16"`. `"fp16"` becomes `"no"` on a CPU, which cannot train in it.

    Raises:
        MissingDependencyError: Accelerate is not installed.
        ConfigError: the device does not exist here, or there are several processes.
    """
    accelerate = require("accelerate", extra="train")
    state = require("accelerate.state", extra="train")
    wanted = None if device is None else torch.device(device)
    if wanted is not None and wanted.type == "cuda" and wanted.index is not None:
        torch.cuda.set_device(wanted)
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    # Accelerate keeps its settings for the life of the process; a second run in it may want others.
    if state.PartialState(cpu=on_cpu).num_processes == 1:
        state.AcceleratorState._reset_state(reset_partial_state=True)
    usable = "no" if on_cpu and precision == "fp16" else precision
    accelerator = accelerate.Accelerator(cpu=on_cpu, mixed_precision=usable)
    if accelerator.num_processes > 1:
        raise ConfigError(
            f"A run is one process so far, but {accelerator.num_processes} were launched. Start it without "
            "`accelerate launch`, or with --num_processes 1."
        )
    there = accelerator.device.type
    if wanted is not None and wanted.type != there:
        raise ConfigError(f"--device {device} is not available here. Choose --device {there}.")
    return accelerator
