"""The processes of a launcher (torchrun, accelerate launch): which this one is, and waiting for each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

LONGEST_WAIT = timedelta(days=30)  # shares take as long as they take; a launcher ends all when one fails


@dataclass(frozen=True)
class Processes:
    """One process among those that share a run.

    Attributes:
        rank: from 0; 0 is the main one.
        count: of all.
        local_rank: among those on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when all have come here."""
        if self.count > 1:
            distributed.barrier()


def own_device() -> str | None:
    """The GPU of this process among several, such as `"cuda:1"`; None where there is no choice to make."""
    one = _launched()
    gpus = torch.cuda.device_count()
    return f"cuda:{one.local_rank % gpus}" if gpus and one.count > 1 else None


@contextmanager
def joined() -> Iterator[Processes]:
    """This process, connected to the others for as long as the block lasts."""
    one = _launched()
    if one.count == 1:
        yield one
        return
    ours = not distributed.is_initialized()
    if ours:
        distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    try:
        yield one
    finally:
        if ours:
            distributed.destroy_process_group()


def _launched() -> Processes:
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}
    return Processes(*(int(os.environ.get(name, default)) for name, default in names.items()))
