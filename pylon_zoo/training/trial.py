"""A few steps before the run: whether a batch fits into memory, and how long an image takes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.scoring import score
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.phase import Phase, set_up
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.step import Step, train_step
from pylon_zoo.training.train import set_transforms
from pylon_zoo.training.validation import VALIDATION_BATCH

STEPS = 3
"""Optimizer steps of a trial; the first is not timed, as what is set up once is set up there."""
SMALLEST = 2
"""Images that batch normalisation needs at least."""


@dataclass(frozen=True)
class Trial:
    """What a trial found.

    Args:
        batch_size: that fitted.
        train_seconds: per training image, loading included.
        val_seconds: per validation image, likewise.
    """

    batch_size: int
    train_seconds: float
    val_seconds: float

    def epoch_seconds(self, images: tuple[int, int]) -> float:
        """How long an epoch of so many training and validation images takes."""
        return images[0] * self.train_seconds + images[1] * self.val_seconds


def try_out(
    recipe: Recipe,
    model: HeatmapClassifier,
    train_set: LabelledDataset,
    val_set: LabelledDataset,
    *,
    device: str | None = None,
    workers: int = 0,
) -> Trial:
    """Train a few steps for nothing.

    Args:
        recipe: with the largest batch to try.
        model: described as the recipe's data is prepared; a copy is trained, so that it stays as it is.
        train_set, val_set: without transforms; they stay as they are.
        device: as for `train`.
        workers: loading processes of the run to come; here images are loaded by this one.

    Returns:
        The trial, with the recipe's batch or, where memory was short, the largest half, quarter, … of it that fitted.

    Raises:
        ConfigError: not even two images fit.
    """
    train_set, val_set = copy.copy(train_set), copy.copy(val_set)
    set_transforms(recipe, model, train_set, val_set)
    batch_size = recipe.loop.batch_size
    while True:
        try:
            return _steps(recipe, copy.deepcopy(model), train_set, val_set, batch_size, device, workers)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if batch_size // 2 < SMALLEST:
                raise ConfigError(
                    f"Not even {batch_size} images of {recipe.data.size} px fit into the memory of the device: lower "
                    "--size, or give another --device."
                ) from error
            batch_size //= 2


def _steps(
    recipe: Recipe,
    model: HeatmapClassifier,
    train_set: LabelledDataset,
    val_set: LabelledDataset,
    batch_size: int,
    device: str | None,
    workers: int,
) -> Trial:
    recipe = replace(recipe, loop=replace(recipe.loop, batch_size=batch_size))
    accelerator = make_accelerator(device, recipe.loop.precision)
    set_up(model, recipe, accelerator)
    phase = Phase(model, recipe, accelerator, "trained")
    phase.network.train()
    phase.set_rates(0.0)
    loads, trains = [], []
    for number in range(STEPS):
        batch, loading = _batch(train_set, batch_size, number * batch_size)

        def step(number: int = number, batch: Batch = batch) -> None:
            loop = recipe.loop
            train_step(
                phase.network,
                Step(number, [batch], [range(len(batch))], len(batch)),
                phase.optimizer,
                accelerator,
                phase.objective,
                channels_last=loop.channels_last,
                clip_grad_norm=loop.clip_grad_norm,
            )

        loads.append(loading / len(batch))
        trains.append(_seconds(step, accelerator.device) / len(batch))
    batch, loading = _batch(val_set, min(batch_size, VALIDATION_BATCH), 0)
    judged = (model.eval(), [batch], accelerator.device)
    judging = _seconds(lambda: score(*judged, channels_last=recipe.loop.channels_last), accelerator.device) / len(batch)
    accelerator.free_memory()
    return Trial(
        batch_size,
        _together(median(loads[1:]), median(trains[1:]), workers),
        _together(loading / len(batch), judging, workers),
    )


def _batch(dataset: LabelledDataset, size: int, start: int) -> tuple[Batch, float]:
    """Some images from one on, and the seconds they took."""
    started = time.perf_counter()
    batch = collate([dataset[place % len(dataset)] for place in range(start, start + size)])
    return batch, time.perf_counter() - started


def _together(loading: float, computing: float, workers: int) -> float:
    """Seconds per image: workers load while the device computes."""
    return max(loading / workers, computing) if workers else loading + computing


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """Seconds that an action takes, what it has asked of a GPU included."""
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
