"""What was chosen for a run, and why, in ten lines."""

from __future__ import annotations

from collections.abc import Sequence

from pylon_zoo.training.automatic import Choices
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.rules import ORIENTATIONS
from pylon_zoo.training.survey import Survey

SHOWN = 4
"""Classes that a line names, and sizes."""


def ten_lines(choices: Choices) -> tuple[str, ...]:
    """A line for each thing that was settled: its name, padded, and what it is.

    Example:
        >>> ten_lines(choices)[6]  # doctest: +SKIP
        'augmentation upright, as these are radiographs (there is an up: mirrored left for right only)'
    """
    recipe, seen = choices.recipe, choices.survey
    lines = {
        "data": _data(seen),
        "images": _images(choices),
        "classes": _classes(seen) + _left_out(choices),
        "device": f"{choices.device}, {1 / choices.trial.train_seconds:.3g} training images/s in a trial, "
        f"precision {recipe.loop.precision}",
        "model": f"{recipe.model.architecture}; encoder: {choices.encoder}",
        "input": f"{recipe.data.size} × {recipe.data.size} px, mean {_numbers(choices.statistics[0])}, std "
        f"{_numbers(choices.statistics[1])}",
        "augmentation": f"{recipe.data.augmentation}, {_orientation(choices)}",
        "batch": _batch(recipe),
        "rates": _rates(recipe),
        "length": _length(choices),
    }
    return tuple(f"{name:<13}{text}" for name, text in lines.items())


def _data(seen: Survey) -> str:
    train, val = seen.images
    located = "with boxes or masks" if seen.located else "validation without boxes or masks, so no point accuracy"
    return f"{seen.spec}: {train:,} training and {val:,} validation images, {located}"


def _images(choices: Choices) -> str:
    seen, channels = choices.survey, len(choices.statistics[0])
    sizes = [f"{width} × {height}" for (height, width), _ in seen.sizes.most_common(SHOWN)]
    more = f" and {len(seen.sizes) - SHOWN} more sizes" if len(seen.sizes) > SHOWN else ""
    looked = "" if seen.read == sum(seen.images) else f", of {seen.read:,} that were read"
    colour = "grey" if seen.grey else "colour"
    return f"{', '.join(sizes)} px{more}, {colour}{looked}; {channels} channel{'s' * (channels != 1)} into the model"


def _classes(seen: Survey) -> str:
    shares = sorted(zip(seen.prevalence.tolist(), seen.classes, strict=True))
    shown = shares if len(shares) <= SHOWN else [*shares[: SHOWN // 2], *shares[-SHOWN // 2 :]]
    named = [f"{name} {share:.3g}" for share, name in shown]
    if len(shares) > SHOWN:
        named.insert(SHOWN // 2, "…")
    unjudged = f"; no AUROC in validation: {', '.join(seen.unjudged)}" if seen.unjudged else ""
    return f"{len(shares)}, in this share of the training images: {', '.join(named)}{unjudged}"


def _left_out(choices: Choices) -> str:
    names = ", ".join(f"'{name}'" for name in choices.left_out)
    return f"; no image has {names}, so {'it is' if len(choices.left_out) == 1 else 'they are'} left out" * bool(names)


def _orientation(choices: Choices) -> str:
    meaning = ORIENTATIONS.get(choices.recipe.data.augmentation)
    return f"{choices.orientation} ({meaning})" if meaning else "as set"


def _batch(recipe: Recipe) -> str:
    views = ", two views of each, whose heatmaps must agree" if recipe.consistency.views else ""
    clipped = f"; gradients clipped at {recipe.loop.clip_grad_norm:g}" if recipe.loop.clip_grad_norm else ""
    return f"{recipe.loop.batch_size} images a step{views}{clipped}"


def _rates(recipe: Recipe) -> str:
    settings = recipe.optimizer
    return (
        f"encoder {settings.encoder_lr or settings.lr:g}, rest {settings.lr:g}, {settings.name} with weight decay "
        f"{settings.weight_decay:g}, {recipe.schedule.name} schedule; head starts at {recipe.model.head_bias:g}"
    )


def _length(choices: Choices) -> str:
    epochs = choices.recipe.schedule.max_epochs
    minutes = epochs * choices.trial.epoch_seconds(choices.survey.images) / 60
    about = f"about {minutes:.0f} minute{'s' * (round(minutes) != 1)}" if minutes >= 0.75 else "less than a minute"
    length = f"{epochs} epoch{'s' * (epochs != 1)}, {about}"
    if choices.minutes is None:
        return f"{length}; --minutes N for another length"
    over = ", the least there is" if minutes > choices.minutes and epochs == 1 else ""
    return f"{length}{over}; asked for: {choices.minutes:g}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
