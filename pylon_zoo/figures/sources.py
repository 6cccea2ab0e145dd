"""What curves are drawn from: the folders that `evaluate` and `train` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, suggest
from pylon_zoo.evaluation.predictions import Predictions, read_predictions
from pylon_zoo.figures.recipe import CurvesRecipe, SourceSection
from pylon_zoo.training.run_folder import RunFolder

FIGURES = "metrics.json"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation as its folder tells it.

    Args:
        name: how figures name it.
        predictions: image by image.
        facts: the content of `metrics.json`.
    """

    name: str
    predictions: Predictions
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Trained:
    """A run as its folder tells it.

    Args:
        name: how figures name it.
        history: column of `metrics.csv` → a value per epoch.
    """

    name: str
    history: dict[str, list[float]]


def evaluations(recipe: CurvesRecipe) -> list[Evaluated]:
    """The evaluations of a recipe.

    Raises:
        ConfigError: it names none.
        DataError: a folder holds none, or what it holds cannot be read.
    """
    found = []
    for source in _sources(recipe):
        predictions = read_predictions(source.folder)
        path = Path(source.folder) / FIGURES
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as what `pylon-zoo evaluate` wrote: evaluate again.") from error
        found.append(Evaluated(source.name or "", predictions, facts))
    names = _names(_sources(recipe), [str(one.facts.get("model", "")) for one in found])
    return [Evaluated(name, one.predictions, one.facts) for name, one in zip(names, found, strict=True)]


def one_evaluation(recipe: CurvesRecipe) -> Evaluated:
    """The only evaluation of a recipe of a kind that has no room for two.

    Raises:
        ConfigError: it names none, or several.
        DataError: as for `evaluations`.
    """
    found = evaluations(recipe)
    if len(found) > 1:
        raise ConfigError(f"A figure of {recipe.kind} shows one evaluation, not {len(found)}: draw one for each.")
    return found[0]


def runs(recipe: CurvesRecipe) -> list[Trained]:
    """The runs of a recipe.

    Raises:
        ConfigError: it names none.
        DataError: a folder holds none, or one without a finished epoch.
    """
    histories = []
    for source in _sources(recipe):
        history = RunFolder(source.folder).history()
        if not history["epoch"]:
            raise DataError(f"The run in {source.folder} has finished no epoch yet: there is nothing to draw.")
        histories.append(history)
    names = _names(_sources(recipe), [""] * len(histories))
    return [Trained(name, history) for name, history in zip(names, histories, strict=True)]


def shown_classes(recipe: CurvesRecipe, found: Sequence[Evaluated]) -> tuple[str, ...]:
    """The classes of a figure, those asked for or all that every evaluation has.

    Raises:
        UnknownNameError: one that is asked for is missing in an evaluation; suggests the nearest.
        ConfigError: the evaluations have no class in common.
    """
    for name in recipe.classes or ():
        for one in found:
            known = one.predictions.classes
            if name not in known:
                raise UnknownNameError(
                    f"The evaluation {one.name!r} has no class {name!r} among {', '.join(known)}.{suggest(name, known)}"
                )
    common = recipe.classes or tuple(
        name for name in found[0].predictions.classes if all(name in one.predictions.classes for one in found)
    )
    if not common:
        raise ConfigError("These evaluations have no class in common: draw a figure for each.")
    return common


def _sources(recipe: CurvesRecipe) -> tuple[SourceSection, ...]:
    if not recipe.sources:
        raise ConfigError(f"A figure of {recipe.kind} needs at least one folder to draw from.")
    return recipe.sources


def _names(sources: Sequence[SourceSection], models: Sequence[str]) -> list[str]:
    """A name for each: its own, the model's where they differ, else the folder's; where folders are alike, the path."""
    folders = [Path(source.folder).resolve().name for source in sources]
    for plain in (models, folders, [source.folder for source in sources]):
        if all(plain) and len(set(plain)) == len(plain):
            break
    return [source.name or name for source, name in zip(sources, plain, strict=True)]
