"""Batches for the loop: shuffled and reproducible for training, in order for validation."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch.utils.data import DataLoader

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch, collate


def training_loader(
    dataset: LabelledDataset, batch_size: int, generator: torch.Generator, workers: int = 0, pin_memory: bool = False
) -> DataLoader[Batch]:
    """Shuffled batches.

    Args:
        dataset: with its training transform.
        batch_size: images per batch. The last batch of an epoch is smaller, and left out if it would hold one image,
            because batch normalisation cannot train on one value.
        generator: orders the images and seeds the workers; seed it before each epoch (`seed_epoch`).
        workers: loading processes.
        pin_memory: page-locked batches, for a GPU.
    """
    lone = len(dataset) > batch_size > 1 and len(dataset) % batch_size == 1
    return DataLoader(
        dataset,
        batch_size,
        shuffle=True,
        drop_last=lone,
        generator=generator,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=seed_worker,
        pin_memory=pin_memory,
    )


def validation_loader(
    dataset: LabelledDataset, batch_size: int, workers: int = 0, pin_memory: bool = False
) -> DataLoader[Batch]:
    """Batches in the dataset's order, every image once."""
    return DataLoader(dataset, batch_size, num_workers=workers, collate_fn=collate, pin_memory=pin_memory)


def seed_epoch(generator: torch.Generator, seed: int, epoch: int) -> None:
    """Make an epoch's shuffling and augmentation depend on seed and epoch only, not on what ran before.

    Args:
        generator: the training loader's.
        seed: of the run.
        epoch: counted from 0.
    """
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    generator.manual_seed(mixed)
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)


def seed_worker(worker: int) -> None:
    """Seed NumPy and Python in a loading process as PyTorch has seeded itself there: from the loader's generator."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
