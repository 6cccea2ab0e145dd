"""Batches for the loop: shuffled and reproducible for training, in order for validation; each process its share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.training.order import EpochOrder, EpochPlan, SeededSamples


def training_loader(
    dataset: LabelledDataset,
    plan: EpochPlan,
    seed: int,
    *,
    process: int = 0,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """Shuffled batches; `loader.batch_sampler.begin(epoch)` before each epoch says which.

    Args:
        dataset: with its training transform.
        plan: how the images are shared out.
        seed: orders the images and seeds their augmentation.
        process: whose share.
        workers: loading processes; they stay from epoch to epoch.
        pin_memory: page-locked batches, for a GPU.
    """
    return _loader(SeededSamples(dataset, seed), EpochOrder(plan, seed, process), workers, pin_memory)


def validation_loader(
    dataset: LabelledDataset,
    batch_size: int,
    *,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """Batches in the dataset's order, every image once; with several processes each takes every so-manieth batch.

    Whole batches are shared out, so that what is computed for an image does not depend on the number of processes.
    """
    return _loader(dataset, InOrder(len(dataset), batch_size, process, processes), workers, pin_memory)


class InOrder(Sampler[list[int]]):
    """Batches of indices in order, of which process p of P takes those numbered p, p + P, …

    Example:
        >>> list(InOrder(5, 2, process=1, processes=2)), list(InOrder(5, 2))
        ([[2, 3]], [[0, 1], [2, 3], [4]])
    """

    def __init__(self, images: int, batch_size: int, process: int = 0, processes: int = 1) -> None:
        batches = [list(range(start, min(start + batch_size, images))) for start in range(0, images, batch_size)]
        self.batches = batches[process::processes]

    @property
    def indices(self) -> list[int]:
        """Every index, in the order they come."""
        return [index for batch in self.batches for index in batch]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


def _loader(dataset: Any, batches: Sampler[Any], workers: int, pin_memory: bool) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        worker_init_fn=end_quietly,
        # Its own, so that asking for an epoch draws nothing from the generator that dropout uses.
        generator=torch.Generator(),
    )


def end_quietly(worker: int) -> None:
    """Let a loading process end on SIGTERM as processes do, rather than as the run that it was forked from would."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
