"""What a figure of maps shows: models loaded, images read and explained, true boxes beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.data.label_names import same_names
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError
from pylon_zoo.explanation.explainer import Explainer, check_finite
from pylon_zoo.explanation.labels import unknown_label
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.factory import create_model
from pylon_zoo.figures.maps import MapRow
from pylon_zoo.figures.names import column_titles
from pylon_zoo.figures.recipe import OWN, ColumnSection, DataSection, MapsRecipe, RowSection
from pylon_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pylon_zoo.data.dataset import LabelledDataset
    from pylon_zoo.models.contract import HeatmapClassifier
    from pylon_zoo.models.heatmap_model import HeatmapModel

TRIED = 200
"""Images of a class, at most, among which one with a box is looked for."""


def gather(recipe: MapsRecipe, *, device: str | torch.device = "cpu") -> tuple[list[MapRow], list[str], MapsRecipe]:
    """Explain every image of a recipe by every column of it.

    Args:
        recipe: with rows and columns.
        device: where the models run.

    Returns:
        Rows and titles for `pylon_zoo.figures.draw_maps`, and the recipe with the labels and names that were chosen.

    Raises:
        ConfigError: no rows, no columns, a row or column that names nothing or two things, a class that a model does
            not have, or a model without heatmaps of its own.
        DataError, UnknownNameError, WeightsError: images, models, methods or data that cannot be had.
    """
    if not recipe.rows or not recipe.columns:
        raise ConfigError("A figure of maps needs rows and columns: name images or data, and at least one model.")
    models = [model.to(device).eval() for model in _models(recipe.columns)]
    titles = column_titles(recipe.columns, [model.architecture for model in models])
    explainers = [
        Explainer(model, scaling=recipe.scaling, placement=recipe.placement, views=recipe.views) for model in models
    ]
    dataset = None if recipe.data is None else open_data(recipe.data)
    rows, sections = [], []
    for section in recipe.rows:
        sample = _sample(section, dataset)
        seen = tuple(_explained(explainer, section, sample) for explainer in explainers)
        label = section.label or _chosen_label(sample, dataset, seen)
        labels = tuple(_own_label(one, label, title) for one, title in zip(seen, titles, strict=True))
        name = label if section.name is None else section.name
        boxes, mask = _truth(sample, dataset, label)
        rows.append(MapRow(seen, labels, name, boxes, mask))
        sections.append(replace(section, label=label, name=name))
    columns = tuple(replace(one, name=title) for one, title in zip(recipe.columns, titles, strict=True))
    return rows, titles, replace(recipe, rows=tuple(sections), columns=columns)


def open_data(data: DataSection) -> LabelledDataset:
    """The split that rows with an index are of."""
    return open_dataset(data.name, data.split, **data.options)


def choose_rows(dataset: LabelledDataset, labels: Sequence[str] | None, count: int) -> tuple[RowSection, ...]:
    """Images of a split for a figure that names none: of one class after the other the first image with a box of it.

    Args:
        dataset: the split.
        labels: a row for each; None takes classes evenly from all that some image has.
        count: rows, where no labels are given.

    Returns:
        The rows, no image twice. Where nobody drew boxes, images that have the class.

    Raises:
        UnknownNameError: a label that is no class of the dataset.
        DataError: no image has the class.
    """
    present = dataset.targets() == 1
    if labels is None:
        shown = [name for name, any_ in zip(dataset.classes, present.any(dim=0).tolist(), strict=True) if any_]
        count = min(count, len(shown))
        labels = [shown[place * len(shown) // count] for place in range(count)]
    taken: set[int] = set()
    rows = []
    for label in labels:
        if label not in dataset.classes:
            raise UnknownNameError(unknown_label(label, dataset.classes))
        place = dataset.classes.index(label)
        having = [index for index in present[:, place].nonzero().flatten().tolist() if index not in taken]
        if not having:
            raise DataError(f"No further image of {dataset.name}/{dataset.split} has {label!r}: leave the label out.")
        boxed = (index for index in having[:TRIED] if len(_boxes(dataset.load(index), place)))
        taken.add(index := next(boxed, having[0]))
        rows.append(RowSection(index=index, label=label))
    return tuple(rows)


def _models(columns: Sequence[ColumnSection]) -> Iterator[HeatmapModel]:
    """The model of every column; weights are read once."""
    loaded: dict[tuple[str | None, str | None], HeatmapClassifier] = {}
    for column in columns:
        key = (column.model, column.checkpoint)
        if (column.model is None) == (column.checkpoint is None):
            raise ConfigError("A column is of a model or of a checkpoint: name one of them, not both.")
        if key not in loaded:
            loaded[key] = (
                load_checkpoint(column.checkpoint)
                if column.checkpoint is not None
                else create_model(str(column.model), pretrained=True)
            )
        model = loaded[key]
        if column.method != OWN:
            yield AttributedClassifier(model, column.method, column.layers)
            continue
        if not model.has_heatmap:
            raise ConfigError(
                f"{column.model or column.checkpoint} has no heatmaps of its own: name an attribution method, such as "
                "grad_cam, with --method."
            )
        yield model


def _sample(section: RowSection, dataset: LabelledDataset | None) -> Sample | None:
    """What the dataset says of a row; None for an image that is a file."""
    if (section.image is None) == (section.index is None):
        raise ConfigError("A row is an image or the index of one in the data: name one of them, not both.")
    if section.index is None:
        return None
    if dataset is None:
        raise ConfigError(f"Row {section.index} is the index of an image, but there is no data: name it with --data.")
    if section.index >= len(dataset):
        raise ConfigError(
            f"{dataset.name}/{dataset.split} has {len(dataset)} images, counted from 0; there is no image "
            f"{section.index}."
        )
    return dataset.load(section.index)


def _explained(explainer: Explainer, section: RowSection, sample: Sample | None) -> Explanation:
    loaded = explainer.load(section.image) if sample is None else explainer.load(sample.image, sample.path)
    return check_finite(explainer.run([loaded])[0])


def _chosen_label(sample: Sample | None, dataset: LabelledDataset | None, seen: Sequence[Explanation]) -> str:
    """The class that an image is shown for where nobody says: boxed, else present, else the most probable one."""
    if sample is not None and dataset is not None:
        boxed = sample.boxes[:, 0].long().tolist()
        present = (sample.target == 1).nonzero().flatten().tolist()
        for name in (dataset.classes[place] for place in [*boxed, *present]):
            if all(same_names(one.labels, [name])[0] is not None for one in seen):
                return str(name)
    return seen[0].ranking()[0][0]


def _own_label(explanation: Explanation, label: str, title: str) -> str:
    """The class as a model names it."""
    place = same_names(explanation.labels, [label])[0]
    if place is None:
        raise UnknownNameError(f"Column {title!r}: {unknown_label(label, explanation.labels)}")
    return explanation.labels[place]


def _truth(sample: Sample | None, dataset: LabelledDataset | None, label: str) -> tuple[Tensor, Tensor | None]:
    """Boxes (M, 4) and the mask of a class; none of either where they are not known."""
    if sample is None or dataset is None or (place := same_names(dataset.classes, [label])[0]) is None:
        return torch.zeros(0, 4), None
    return _boxes(sample, place), None if sample.masks is None else sample.masks[place]


def _boxes(sample: Sample, place: int) -> Tensor:
    return sample.boxes[sample.boxes[:, 0] == place][:, 1:]
