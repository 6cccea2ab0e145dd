"""A recipe and a folder to a trained model: datasets, model, loop and run folder wired together."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import timm
import torch

from pylon_zoo._version import __version__
from pylon_zoo.data.canvas import CanvasTransform
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.label_names import names_in
from pylon_zoo.data.labels import RelabelledDataset
from pylon_zoo.data.registry import drawing_options, open_dataset
from pylon_zoo.data.splits import check_patient_leak, split_hash
from pylon_zoo.data.transforms import TrainTransform
from pylon_zoo.errors import ConfigError, PylonZooError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.optional import require
from pylon_zoo.preprocessing import eval_transform
from pylon_zoo.training.diary import Diary
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.interrupts import terminating
from pylon_zoo.training.loop import Epoch, fit
from pylon_zoo.training.processes import on_main
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.resuming import check_same
from pylon_zoo.training.run_folder import LOG, RunFolder
from pylon_zoo.training.trackers import scalars
from pylon_zoo.training.transfer import transfer_into
from pylon_zoo.weights.encoders import build_on_encoder


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    device: str | None = None,
    workers: int = 0,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
    report: Callable[[Epoch], None] | None = None,
    datasets: tuple[LabelledDataset, LabelledDataset] | None = None,
    trackers: Sequence[str] = (),
) -> dict[str, Any]:
    """Train by a recipe and leave a run folder.

    Nothing is written before the data, the model and the device have been found to work. A run that is killed goes on
    with `resume`, on a CPU to the same weights bit for bit. Under `accelerate launch` or `torchrun` every process calls
    this with the same arguments, and the main one writes.

    Args:
        recipe: from `load_recipe`.
        out: the run folder.
        device: `"cpu"`, `"cuda"`, …; None takes the best there is.
        workers: loading processes.
        overwrite: replace a run that is already in `out`.
        resume: go on with the run in `out`; where there is none yet, begin it; one that is done is left as it is.
        progress: progress bars on stderr.
        report: called with every epoch, on the main process.
        datasets: training and validation split, already open, in place of the recipe's; they are given transforms.
        trackers: `"tensorboard"`, `"wandb"`: the epochs' figures go there as well, TensorBoard's files into `out/log`.

    Returns:
        The summary, as in `log/summary.json`.

    Raises:
        PylonZooError: settings, data or device do not work, the folder is in use or full, or the loss diverged; says
            what and where.
        Terminated: SIGTERM came, and as with KeyboardInterrupt what was saved last is whole.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.training.recipe_files import load_recipe
        >>> small = ["data.size=32", "data.train.count=16", "data.val.count=16", "loop.batch_size=8"]
        >>> short = [*small, "schedule.max_epochs=1", "model.architecture=pylon_test_resnet"]
        >>> recipe = load_recipe("phantom_cxr_pylon", short)
        >>> train(recipe, Path(mkdtemp(), "run"), device="cpu")["architecture"]
        'pylon_test_resnet'
    """
    require("sklearn.metrics", extra="train")  # now rather than after the first epoch
    recipe.check_complete()
    run = RunFolder(out)
    if resume and overwrite:
        raise ConfigError("A run is either gone on with or replaced: give --resume or --overwrite, not both.")
    if resume and run.started:
        check_same(recipe, run.recipe(), run.path)
        if (summary := run.summary()) is not None:
            return summary
    else:
        run.check_free(overwrite=overwrite)
    accelerator = make_accelerator(device, recipe.loop.precision, trackers, run.path / LOG)
    train_set, val_set = datasets or (open_split(recipe, "train"), open_split(recipe, "val"))
    check_patient_leak(train=train_set.patients, val=val_set.patients)
    torch.manual_seed(recipe.loop.seed)
    model = model_for(recipe, train_set)
    set_transforms(recipe, model, train_set, val_set)
    learnt_from = {"dataset": train_set.name, "split_hash": split_hash(train_set.patients, train_set.targets())}

    with terminating(), run.locked(accelerator):
        diary = Diary(run, recipe, model, accelerator, learnt_from, resume=resume, overwrite=overwrite)
        accelerator.init_trackers(run.path.name or "run")
        epochs = fit(
            model,
            train_set,
            val_set,
            recipe,
            accelerator,
            workers=workers,
            progress=progress,
            state=diary.state,
            save=diary.save,
        )
        for epoch in epochs:
            diary.note(epoch)
            accelerator.log(scalars(epoch), step=epoch.epoch)
            if report is not None and accelerator.is_main_process:
                report(epoch)
        summary = {
            "architecture": model.architecture,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            **learnt_from,
            "train_images": len(train_set),
            "val_images": len(val_set),
            **outcome(diary.epochs),
            "seconds": round(diary.seconds, 2),
            "seed": recipe.loop.seed,
            "device": str(accelerator.device),
            "processes": accelerator.num_processes,
            "precision": accelerator.mixed_precision,
            "versions": {
                "pylon_zoo": __version__,
                "torch": torch.__version__,
                "timm": timm.__version__,
                "python": platform.python_version(),
            },
        }
        on_main(accelerator, lambda: run.finish(summary))
        for tracker in accelerator.trackers:
            tracker.finish()
    return summary


def outcome(epochs: Sequence[Epoch]) -> dict[str, Any]:
    """How many epochs there were, the best one with its validation numbers, and the mean training speed.

    Args:
        epochs: all of a run, at least one evaluated.
    """
    best = next(epoch for epoch in reversed(epochs) if epoch.best)
    assert best.validation is not None  # or it were not the best
    return {
        "epochs": len(epochs),
        "best_epoch": best.epoch,
        **{f"val_{name}": value for name, value in asdict(best.validation).items()},
        # Every epoch has the same number of images, so their rates have a harmonic mean.
        "images_per_second": round(harmonic_mean([epoch.images_per_second for epoch in epochs]), 2),
    }


def open_split(recipe: Recipe, split: str) -> LabelledDataset:
    """A split of the recipe's dataset, with the options and classes the recipe has for it and no transform yet."""
    drawn = drawing_options(recipe.data.name, recipe.data.size)
    options = {**drawn, **recipe.data.options, **getattr(recipe.data, split)}
    dataset = open_dataset(recipe.data.name, split, **options)
    if recipe.data.classes is None:
        return dataset
    with blaming(recipe.origin.at("data.classes")):
        return RelabelledDataset(dataset, {name: [name] for name in names_in(recipe.data.classes)})


def model_for(recipe: Recipe, dataset: LabelledDataset) -> HeatmapClassifier:
    """The recipe's model for a dataset's classes and channels, its input described as the recipe's data is prepared.

    Raises:
        PylonZooError: the architecture or an option does not exist or work; names the recipe.
    """
    with blaming(recipe.origin.at("model")):
        model = build_on_encoder(
            recipe.model.architecture,
            dataset.num_classes,
            dataset.channels,
            label_names=dataset.classes,
            **recipe.model.options,
        )
    if recipe.model.head_bias is not None:
        *_, last = model.head.modules()  # of an MLP head, its output layer
        torch.nn.init.constant_(last.get_parameter("bias"), recipe.model.head_bias)
    with blaming(recipe.origin.at("transfer")):
        transfer_into(model, recipe.transfer)
    model.pretrained_cfg["input_size"] = (dataset.channels, recipe.data.size, recipe.data.size)
    for name in ("mean", "std"):
        given = getattr(recipe.data, name)
        if given is None:
            continue
        if len(given) not in (1, dataset.channels):
            raise ConfigError(
                f"{recipe.origin.at(f'data.{name}')} has {len(given)} values, but images of {dataset.name} have "
                f"{dataset.channels} channels. Give one value, or one per channel."
            )
        model.pretrained_cfg[name] = given if len(given) == dataset.channels else given * dataset.channels
    return model


def set_transforms(
    recipe: Recipe, model: HeatmapClassifier, train_set: LabelledDataset, val_set: LabelledDataset
) -> None:
    """Give both splits the transforms that make the model's input, normalised on the model's device."""
    val_set.transform = replace(eval_transform(model), normalize=False)
    with blaming(recipe.origin.at("data.augmentation")):
        train_set.transform = TRANSFORMS[recipe.data.augment_on](
            **asdict(val_set.transform), augmentation=recipe.data.augmentation, keep_boxes=False
        )


TRANSFORMS: dict[str, type[TrainTransform]] = {"loader": TrainTransform, "device": CanvasTransform}
"""`data.augment_on` → how training images leave the loader."""


@contextmanager
def blaming(setting: str) -> Iterator[None]:
    """Put the setting that caused an error in front of its message."""
    try:
        yield
    except PylonZooError as error:
        raise type(error)(f"{setting}: {error}") from error
