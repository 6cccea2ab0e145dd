"""What a recipe should say for data, a model and a device: rules and their numbers, each in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.data.registry import parse_data_spec
from pylon_zoo.training.trial import Trial

ALWAYS: dict[str, dict[str, Any]] = {
    "optimizer": {"name": "adamw", "weight_decay": 0.01, "betas": [0.9, 0.99], "fused": True},
    "schedule": {"name": "cosine", "options": {"warmup": 0.1}},
    "loop": {"clip_grad_norm": 1.0, "channels_last": True},
}
"""Section → settings that suit any data; a section that every run should have is a line here."""
POINTING: dict[str, dict[str, Any]] = {"loss": {"pooling": "topk"}, "consistency": {"views": 0.5}}
"""Section → settings of every model that gives heatmaps, so that they point: docs/experiments.md measures them."""
DECODERS: dict[str, dict[str, Any]] = {"pylon": {"attention": False, "lateral": "light"}}
"""Method → options that point better than its published ones, and cost less."""
COARSEST_STRIDE = 16
"""Pixels: where PYLON's encoder ends. Cells of the stage beyond see most of the image, and speak of all of it."""


@dataclass(frozen=True)
class Kind:
    """What suits a kind of device.

    Args:
        side: pixels of the model's input at most.
        batch: images per step at most.
        images: shown in a run that starts from a pretrained encoder, each as often as it comes and a second view for
            another; from scratch twice as many.
    """

    side: int
    batch: int
    images: int


KINDS = {"cpu": Kind(side=192, batch=16, images=30_000), "gpu": Kind(side=512, batch=64, images=150_000)}
SMALLEST_SIDE, STEP = 128, 32
"""Pixels: findings of a few cells need that much, and strides of most encoders divide the step."""
EPOCHS = (5, 60)
"""Least and most, where no time was asked for."""
MOST_EPOCHS = 200
"""In any time: by then nothing is learnt any more, and a small dataset is known by heart."""
ENOUGH_EPOCHS = 8
"""In a given time, the input is made smaller until so many fit."""

STEPS = 16
"""Optimizer steps of an epoch at least: a small dataset must not mean few steps."""

RATES = {"fresh": (2e-3, 2e-3), "batch norm": (2e-3, 5e-3), "other norm": (2e-4, 2e-3)}
"""What the encoder is → peak rates of encoder and rest at `RATES_BATCH` images a step.

A pretrained network that normalises over the batch bears large steps, and learns faster from them (measured on
EfficientNet-Lite0); others, transformers among them, are trained further at a tenth of that.
"""
RATES_BATCH = 16

ORIENTATIONS = {
    "any": "no side is up: mirrored and turned all ways",
    "upright": "there is an up: mirrored left for right only",
}
"""Augmentation → what it takes images for, for the lines that say what was chosen."""
KNOWN = {
    **dict.fromkeys(("phantom", "phantom_cxr", "nih_cxr14", "vindr_cxr", "chexlocalize", "chestx_det"), "radiographs"),
    **dict.fromkeys(("voc", "pascal_voc"), "photographs"),
    "cluttered_digits": "digits",
}
"""Datasets whose images have a top and a bottom → what they are."""


def orientation_of(spec: str, wanted: str) -> tuple[str, str]:
    """The augmentation for a dataset, and why.

    Args:
        spec: the dataset.
        wanted: a key of `ORIENTATIONS`, or `"auto"`.

    Example:
        >>> orientation_of("phantom", "auto")
        ('upright', 'as these are radiographs')
        >>> orientation_of("coco:tiles", "any")
        ('any', 'as asked for')
    """
    if wanted != "auto":
        return wanted, "as asked for"
    what = KNOWN.get(parse_data_spec(spec)[0])
    return "upright", f"as these are {what}" if what else "for want of knowing; --orientation any if no side is up"


def bias_for(prevalence: Tensor) -> float:
    """The head's first bias, in logits, from (K,) shares of images with each class.

    The logit of the mean share, and one less: a score is the largest of many cells. Never above 0, because evidence
    must be found rather than taken for granted, however frequent a class is.

    Example:
        >>> bias_for(torch.tensor([0.25, 0.25])), bias_for(torch.tensor([0.9]))
        (-2.1, 0.0)
    """
    mean = prevalence.double().nanmean().clamp(1e-3, 1 - 1e-3)
    return round(min(float(mean.logit()) - 1, 0.0), 1)


def sides_for(side: int, kind: str) -> list[int]:
    """Input sizes in pixels that come into question, largest first.

    Args:
        side: of the images.
        kind: a key of `KINDS`.

    Example:
        >>> sides_for(320, "cpu"), sides_for(320, "gpu")[0], sides_for(28, "cpu")
        ([192, 160, 128], 320, [128])
    """
    own = round(side / STEP) * STEP
    largest = max(SMALLEST_SIDE, min(own, KINDS[kind].side))
    return list(range(largest, SMALLEST_SIDE - 1, -STEP))


def batch_for(images: int, kind: str, views: int = 1) -> int:
    """Images per step: a power of two, and `STEPS` steps to an epoch at least where four images allow it.

    Args:
        images: of the training split.
        kind: a key of `KINDS`.
        views: of each image in a step; the more, the fewer images.

    Example:
        >>> batch_for(3200, "cpu"), batch_for(3200, "cpu", views=2), batch_for(210, "gpu")
        (16, 8, 8)
    """
    size = 4
    while 2 * size * views <= KINDS[kind].batch and STEPS * 2 * size <= images:
        size *= 2
    return size


def rates_for(encoder: str, shown: int) -> dict[str, float]:
    """`[optimizer]`'s rates: those of `RATES`, by the square root of the batch as AdamW wants it.

    Args:
        encoder: a key of `RATES`.
        shown: images of a step, each view of them counted.

    Example:
        >>> rates_for("batch norm", 64)
        {'lr': 0.01, 'encoder_lr': 0.004}
    """
    own, rest = (float(f"{rate * (shown / RATES_BATCH) ** 0.5:.2g}") for rate in RATES[encoder])
    return {"lr": rest, "encoder_lr": own}


def epochs_for(
    images: tuple[int, int], trial: Trial, kind: str, pretrained: bool, minutes: float | None, views: int = 1
) -> int:
    """How many epochs to train.

    Args:
        images: of the training and of the validation split.
        trial: how long they take.
        kind: a key of `KINDS`.
        pretrained: whether the encoder is.
        minutes: that the run may take; None goes by the number of images.
        views: of each image in a step.

    Example:
        >>> trial = Trial(batch_size=16, train_seconds=0.1, val_seconds=0.025)
        >>> epochs_for((240, 60), trial, "cpu", True, minutes=5), epochs_for((3200, 800), trial, "cpu", True, None)
        (11, 9)
    """
    if minutes is not None:
        return max(1, min(MOST_EPOCHS, int(60 * minutes / trial.epoch_seconds(images))))
    least, most = EPOCHS
    return max(least, min(most, round(KINDS[kind].images * (1 if pretrained else 2) / views / images[0])))


def smaller_side(sides: list[int], trial: Trial, images: tuple[int, int], minutes: float) -> int:
    """The largest input size at which `ENOUGH_EPOCHS` fit into a time, or the smallest there is.

    Args:
        sides: largest first; the first is the trial's.
        trial: how long images take at that size; at others, by the area.
        images: of the training and of the validation split.
        minutes: the time.

    Example:
        >>> smaller_side([192, 160, 128], Trial(16, 0.1, 0.025), (240, 60), minutes=3)
        160
    """
    needed = trial.epoch_seconds(images) * ENOUGH_EPOCHS / 60
    return next((side for side in sides if needed * (side / sides[0]) ** 2 <= minutes), sides[-1])


def loop_for(kind: str) -> dict[str, Any]:
    """`[loop]` of a kind of device: half precision where it is safe."""
    safe = kind == "gpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return {"precision": "bf16" if safe else "no"}


def device_kind(device: str | None) -> str:
    """The key of `KINDS` for a device's name; None is the best there is.

    Example:
        >>> device_kind("cpu"), device_kind("cuda:1")
        ('cpu', 'gpu')
    """
    if device is None:
        return "gpu" if torch.accelerator.is_available() else "cpu"
    return "cpu" if device == "cpu" else "gpu"
