"""Accelerate, set up for a device and a precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.optional import require
from pylon_zoo.training.trackers import check_trackers

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_accelerator(
    device: str | None, precision: str, trackers: Sequence[str] = (), folder: str | Path | None = None
) -> Accelerator:
    """The engine of a run, in each of the processes that `accelerate launch` or `torchrun` started.

    Args:
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, …; None takes the best there is. Several processes take a GPU each.
        precision: `"no"`, `"fp16"` or `"bf16"`. `"fp16"` becomes `"no"` on a CPU, which cannot train in it.
        trackers: keys of `TRACKERS`, which the run's figures go to as well.
        folder: where they put their files.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingDependencyError: Accelerate is not installed, or a tracker.
        ConfigError: the device does not exist here, or is one GPU for several processes.
    """
    accelerate = require("accelerate", extra="train")
    state = require("accelerate.state", extra="train")
    wanted = None if device is None else torch.device(device)
    if wanted is not None and wanted.type == "cuda" and wanted.index is not None:
        torch.cuda.set_device(wanted)
    on_cpu = device == "cpu" or not torch.accelerator.is_available()
    # Accelerate keeps its settings for the life of the process; a second run in it may want others.
    alone = state.PartialState(cpu=on_cpu).num_processes == 1
    state.AcceleratorState._reset_state(reset_partial_state=alone)
    usable = "no" if on_cpu and precision == "fp16" else precision
    accelerator = accelerate.Accelerator(
        cpu=on_cpu, mixed_precision=usable, log_with=check_trackers(trackers) or None, project_dir=folder
    )
    there = accelerator.device.type
    if wanted is not None and wanted.type != there:
        raise ConfigError(f"--device {device} is not available here. Choose --device {there}.")
    if not alone and wanted is not None and wanted.index is not None:
        raise ConfigError(f"--device {device} is one device for {accelerator.num_processes} processes; leave it out.")
    return accelerator
