"""The models, the dataset and the limits that all users share, none of which changes; and one user's desk, which does.

A desk is a value: what a user does makes a new one, so requests that cross cannot spoil each other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pylon_zoo.app.limits import Limits
from pylon_zoo.app.sources import open_sources
from pylon_zoo.data.images import read_image_bytes
from pylon_zoo.data.label_names import same_names
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.errors import DataError, PylonZooError
from pylon_zoo.explanation.explainer import Explainer, check_finite
from pylon_zoo.explanation.result import Explanation

if TYPE_CHECKING:
    from pylon_zoo.data.dataset import LabelledDataset
    from pylon_zoo.models.contract import HeatmapClassifier


@dataclass(frozen=True)
class Picture:
    """An image on a desk, not yet decoded.

    Attributes:
        name: of the file, or the dataset's path.
        content: the file's bytes; of an image of the dataset there are none.
        place: in the dataset, from 0; None for a file.
        problem: why it cannot be shown, in a sentence; empty where nothing is known against it.
    """

    name: str
    content: bytes = field(default=b"", repr=False)
    place: int | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Side:
    """What one source says of the image that is looked at.

    Attributes:
        source: its name.
        explanation: of the image, all classes.
        levels: what each level contributes, coarse to fine, each (K, h, w) float32; None where the source has none.
    """

    source: str
    explanation: Explanation
    levels: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, eq=False)
class Desk:
    """What one user has before them.

    Attributes:
        pictures: the images brought.
        at: which of them is looked at.
        sides: what one or two sources say of it; empty where it cannot be shown.
        boxes: (M, 4) float32 per class name, known to be true, in pixels of the image.
        known: whether such boxes could be known: the image is a dataset's.
    """

    pictures: tuple[Picture, ...] = ()
    at: int = 0
    sides: tuple[Side, ...] = ()
    boxes: Mapping[str, Tensor] = field(default_factory=dict)
    known: bool = False

    @property
    def picture(self) -> Picture | None:
        """The one that is looked at; None on an empty desk."""
        return self.pictures[self.at] if self.pictures else None

    @property
    def problem(self) -> str:
        """Why nothing is shown of it; empty where something is."""
        return self.picture.problem if self.picture else ""


class Studio:
    """What all users share.

    Args:
        models: name → model with its weights.
        dataset: one split of a dataset to look through; None is none.
        limits: of what users bring.

    Raises:
        ConfigError: a model without heatmaps.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> studio = Studio({"small": build_model("pylon_test_resnet", 2)})
        >>> studio.looked_at(Desk((Picture("a.png", b"text"),)), ["small"]).problem
        "'a.png' is not an image that can be read: give one of PNG, JPEG, TIFF, BMP, WEBP, DICOM."
    """

    def __init__(
        self,
        models: Mapping[str, HeatmapClassifier],
        dataset: LabelledDataset | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.sources = open_sources(models)
        self.dataset = dataset
        self.limits = limits or Limits()
        self._explainers = {name: Explainer(source) for name, source in self.sources.items()}
        self._reading = Lock()  # datasets may keep files open

    def taken(self, files: Iterable[tuple[str, bytes | None, int]]) -> tuple[Picture, ...]:
        """Files as pictures; those that are too many or too large say so.

        Args:
            files: name, content (None for one that was too large to be sent), and size in bytes.
        """
        pictures: list[Picture] = []
        total = 0
        for name, content, size in list(files)[: self.limits.files]:
            try:
                self.limits.check_bytes(size, name, total)
                if content is None:
                    raise DataError(f"'{name}' did not arrive: bring it again.")
                self.limits.check_pixels(content, name)
            except PylonZooError as error:
                pictures.append(Picture(name, problem=str(error)))
                continue
            total += size
            pictures.append(Picture(name, content))
        return tuple(pictures)

    def from_dataset(self, place: int) -> Picture:
        """An image of the dataset by its place, from 0; the nearest there is.

        Raises:
            DataError: there is no dataset.
        """
        if self.dataset is None or not len(self.dataset):
            raise DataError("There is no dataset to look through: start the app with --data NAME:DIR.")
        place = min(max(place, 0), len(self.dataset) - 1)
        return Picture(f"{self.dataset.name}, {self.dataset.split} {place + 1}", place=place)

    def looked_at(self, desk: Desk, sources: Sequence[str], at: int = 0) -> Desk:
        """The desk with one of its pictures explained.

        Args:
            desk: any.
            sources: names of one or two.
            at: which picture; the nearest there is.

        Returns:
            With `sides`, or with the picture's problem.
        """
        if not desk.pictures:
            return replace(desk, sides=())
        at = min(max(at, 0), len(desk.pictures) - 1)
        picture = desk.pictures[at]
        try:
            if picture.problem:
                raise DataError(picture.problem)
            image, boxes = self.read(picture)
            sides = tuple(self.explain(image, picture.name, name) for name in dict.fromkeys(sources))
        except PylonZooError as error:
            told = replace(picture, problem=str(error))
            pictures = (*desk.pictures[:at], told, *desk.pictures[at + 1 :])
            return replace(desk, pictures=pictures, at=at, sides=(), boxes={}, known=False)
        return replace(desk, at=at, sides=sides, boxes=boxes, known=picture.place is not None)

    def brought(self, pictures: Sequence[Picture], sources: Sequence[str]) -> Desk:
        """A desk with pictures on it, the first that can be shown explained; the first of all where none can."""
        desk = Desk(tuple(pictures))
        for place in range(len(desk.pictures)):
            desk = self.looked_at(desk, sources, place)
            if desk.sides:
                return desk
        return replace(desk, at=0)

    def problems(self, desk: Desk) -> dict[int, str]:
        """Place of a picture → why it cannot be shown, of all that cannot."""
        found = {}
        for place, picture in enumerate(desk.pictures):
            try:
                if picture.problem:
                    raise DataError(picture.problem)
                self.read(picture)
            except PylonZooError as error:
                found[place] = str(error)
        return found

    def read(self, picture: Picture) -> tuple[Tensor, Mapping[str, Tensor]]:
        """An image (C, H, W), and its true boxes by class.

        Raises:
            DataError: it cannot be read.
        """
        if picture.place is None or self.dataset is None:
            return read_image_bytes(picture.content, picture.name), {}
        with self._reading:
            sample = self.dataset.load(picture.place)
        boxes = sample.boxes if sample.boxes is not None else no_boxes()
        names = {name: boxes[boxes[:, 0] == index, 1:] for index, name in enumerate(self.dataset.classes)}
        return sample.image, {name: found for name, found in names.items() if len(found)}

    def explain(self, image: Tensor, name: str, source: str) -> Side:
        """What a source says of an image.

        Raises:
            DataError: its output is not finite.
        """
        explainer = self._explainers[source]
        loaded = explainer.load(image, name)
        return Side(source, check_finite(explainer.run([loaded])[0]))

    def with_levels(self, desk: Desk) -> Desk:
        """The desk with the levels of every side that has them."""
        sides = []
        for side in desk.sides:
            if side.levels is None:
                explainer, source = self._explainers[side.source], self.sources[side.source]
                inputs = explainer.load(side.explanation.image).inputs[None]
                with torch.inference_mode():
                    found = source.forward_levels(inputs.to(next(source.parameters()).device))
                if found is not None:
                    side = replace(side, levels=tuple(level[0].float().cpu().clone() for level in found))
            sides.append(side)
        return replace(desk, sides=tuple(sides))


def true_boxes(desk: Desk, label: str) -> list[tuple[float, float, float, float]]:
    """The true boxes of a model's class: x0, y0, x1, y1 in pixels of the image."""
    for name, boxes in desk.boxes.items():
        if same_names([name], [label]) == [0]:
            return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes.tolist()]
    return []


def same_class(explanation: Explanation, label: str) -> str | None:
    """The class of that name among an explanation's; None where it has none."""
    place = same_names(explanation.labels, [label])[0]
    return None if place is None else explanation.labels[place]
