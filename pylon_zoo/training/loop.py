"""The paper's training loop: image-level labels, pooled heatmaps, best epoch by validation loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.optim import Optimizer

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch
from pylon_zoo.errors import DataError, PylonZooError
from pylon_zoo.metrics import ScoreKeeper, auroc
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.progress import bar
from pylon_zoo.training.loaders import seed_epoch, training_loader, validation_loader
from pylon_zoo.training.loss import masked_bce
from pylon_zoo.training.recipe import OPTIMIZERS, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator


class DivergedError(PylonZooError, ArithmeticError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Validation:
    """The validation split after an epoch: mean loss, macro AUROC and macro point accuracy (NaN where undefined)."""

    loss: float
    auroc: float
    point_accuracy: float


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    Args:
        epoch: counted from 1.
        lr: learning rate of its last step.
        loss: mean training loss.
        images_per_second: of training, without validation.
        seconds: of training and validation.
        validation: None where the epoch was not evaluated.
        best: no earlier epoch had a lower validation loss.
    """

    epoch: int
    lr: float
    loss: float
    images_per_second: float
    seconds: float
    validation: Validation | None
    best: bool


def fit(
    model: HeatmapClassifier,
    train_set: LabelledDataset,
    val_set: LabelledDataset,
    recipe: Recipe,
    accelerator: Accelerator,
    *,
    workers: int = 0,
    progress: bool = False,
) -> Iterator[Epoch]:
    """Train a model, one epoch per step of the iterator; between steps the model is there to be saved.

    Args:
        model: trained in place.
        train_set, val_set: with transforms that give normalised images of one size.
        recipe: optimizer, schedule and loop; `model` and `data` have been dealt with.
        accelerator: from `make_accelerator`.
        workers: loading processes.
        progress: progress bars on stderr.

    Yields:
        Every epoch, until the schedule has finished or `max_epochs` are done.

    Raises:
        DivergedError: the loss is not finite; names epoch, step and image.
        DataError: a split without images.
    """
    for dataset in (train_set, val_set):
        if not len(dataset):
            raise DataError(f"The {dataset.split} split of {dataset.name} has no images; training needs some.")
    loop, planned = recipe.loop, recipe.schedule.max_epochs
    model.to(accelerator.device)
    if loop.channels_last:
        model.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, recipe)
    schedule = recipe.make_schedule()
    generator = torch.Generator()
    pin = accelerator.device.type == "cuda"
    loader = training_loader(train_set, loop.batch_size, generator, workers, pin)
    val_loader = validation_loader(val_set, loop.batch_size, workers, pin)
    network, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    best = math.inf
    for epoch in range(planned):
        started = time.perf_counter()
        seed_epoch(generator, loop.seed, epoch)
        network.train()
        loss, images = train_epoch(
            network,
            bar(loader, f"epoch {epoch + 1}/{planned}", len(train_set), progress),
            optimizer,
            accelerator,
            rate=lambda step, epoch=epoch: recipe.optimizer.lr * schedule.scale((epoch + step / len(loader)) / planned),
            channels_last=loop.channels_last,
            where=f"epoch {epoch + 1}",
        )
        trained = time.perf_counter() - started

        validation = None
        if (epoch + 1) % recipe.schedule.evaluate_every == 0 or epoch + 1 == planned:
            with accelerator.autocast():
                batches = bar(val_loader, "validation", len(val_set), progress)
                validation = validate(model.eval(), batches, accelerator.device, loop.channels_last)
            schedule.observe(validation.loss)
        improved = validation is not None and validation.loss < best
        best = validation.loss if improved else best
        yield Epoch(
            epoch=epoch + 1,
            lr=optimizer.param_groups[0]["lr"],
            loss=loss,
            images_per_second=images / trained,
            seconds=time.perf_counter() - started,
            validation=validation,
            best=improved,
        )
        if schedule.finished:
            return


def train_epoch(
    network: torch.nn.Module,
    batches: Iterable[Batch],
    optimizer: Optimizer,
    accelerator: Accelerator,
    *,
    rate: Callable[[int], float],
    channels_last: bool = False,
    where: str = "training",
) -> tuple[float, int]:
    """One optimizer step per batch.

    Args:
        network: in training mode.
        batches: on the accelerator's device.
        optimizer, accelerator: prepared for each other.
        rate: step within the epoch, from 0, to learning rate.
        channels_last: hand images to the network channels-last in memory.
        where: names the epoch in messages.

    Returns:
        The mean loss per image and the number of images.

    Raises:
        DivergedError: a loss is not finite; the weights are then those before it.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    total, images = 0.0, 0
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        loss = masked_bce(network(batch.images.contiguous(memory_format=layout)), batch.targets)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(
                f"The loss became {value} in {where}, step {step + 1}, whose first image is {batch.paths[0]!r}. "
                "Lower optimizer.lr, or set loop.precision to 'no'."
            )
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimizer.step()
        total, images = total + value * len(batch), images + len(batch)
    return total / images, images


@torch.no_grad()
def validate(
    model: HeatmapClassifier, batches: Iterable[Batch], device: torch.device, channels_last: bool = False
) -> Validation:
    """How a model does on batches labelled with its own classes.

    Args:
        model: in evaluation mode, on `device`.
        batches: of normalised images of one size.
        device: where the model is.
        channels_last: hand images to the model channels-last in memory.

    Raises:
        DivergedError: the loss is not finite.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    keeper = ScoreKeeper(model.num_classes, model.activation)
    for batch in batches:
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        keeper.update(logits, heatmap, batch.targets, batch.boxes, tuple(images.shape[-2:]))
    scores = keeper.compute()
    loss = float(masked_bce(scores.logits, scores.targets))
    if not math.isfinite(loss):
        raise DivergedError(f"The validation loss is {loss}. Lower optimizer.lr, or set loop.precision to 'no'.")
    points = scores.points.compute().macro if scores.points else math.nan
    return Validation(loss, auroc(scores.ranks, scores.targets).macro, points)


def make_optimizer(model: HeatmapClassifier, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer over the parameters that are to be trained."""
    settings = recipe.optimizer
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return getattr(torch.optim, OPTIMIZERS[settings.name])(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay
    )
