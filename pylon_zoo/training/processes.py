"""Several processes that must agree: on files that one of them writes, on statistics, on errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pylon_zoo.errors import PylonZooError

if TYPE_CHECKING:
    from accelerate import Accelerator


def on_main(accelerator: Accelerator, action: Callable[[], object]) -> None:
    """Do something on the main process while the others wait; its error is raised on all of them.

    Args:
        accelerator: of the run.
        action: what writes files.
    """
    problem: list[PylonZooError | None] = [None]
    if accelerator.is_main_process:
        try:
            action()
        except PylonZooError as error:
            problem = [error]
    if accelerator.num_processes > 1:
        torch.distributed.broadcast_object_list(problem, src=0)
    if problem[0] is not None:
        raise problem[0]


def from_all(accelerator: Accelerator, value: Any) -> list[Any]:
    """A value of every process, in their order."""
    if accelerator.num_processes == 1:
        return [value]
    values: list[Any] = [None] * accelerator.num_processes
    torch.distributed.all_gather_object(values, value)
    return values


def share_buffers(accelerator: Accelerator, model: nn.Module) -> None:
    """Give every process the main one's statistics, as DDP does before a training forward pass."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
