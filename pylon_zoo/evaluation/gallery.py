"""The pictures of a report: per class a few where the map points best, worst, and some drawn by lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from pylon_zoo.cells import CellGrid, both, grid_for, to_pixels
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.label_names import match_labels
from pylon_zoo.data.sample import collate
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.explanation.colors import blend, lookup_table
from pylon_zoo.explanation.marks import draw_crosshair
from pylon_zoo.explanation.overlay import COLORMAP, to_picture
from pylon_zoo.metrics.outcomes import Outcomes
from pylon_zoo.metrics.pairs import ACTIVATIONS
from pylon_zoo.metrics.point import peak_indices
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.views import with_views

SIDE = 288
"""Longer side of a picture in pixels."""
EACH = 2
"""Pictures per class of the best, of the random and of the worst."""
BOX_COLOR = (90, 220, 255)


@dataclass(frozen=True)
class Shown:
    """One picture of the report.

    Args:
        kind: `"best"`, `"random"` or `"worst"`.
        label: place of the class in the evaluation.
        image: place of the image in the dataset.
        hit: whether the map's peak lies in a box.
        probability: of the class.
        path: of the image.
        picture: RGB, the map over the image, its peak, and the true boxes.
    """

    kind: str
    label: int
    image: int
    hit: bool
    probability: float
    path: str
    picture: Image.Image


def choose(outcomes: Outcomes, probabilities: Tensor, label: int, each: int = EACH) -> list[tuple[str, int]]:
    """Which images of a class to show.

    Best are hits of the highest probability. Worst are misses of the highest probability, being sure and wrong; where
    there are too few, hits of the lowest follow. Random ones are drawn from the rest, the same at every call.

    Args:
        outcomes: of point accuracy.
        probabilities: (N, K).
        label: the class.
        each: pictures of each kind.

    Returns:
        Kinds and images, no image twice.

    Example:
        >>> pairs = Outcomes(torch.arange(3), torch.zeros(3).long(), torch.tensor([1, 0, 1]), torch.ones(3))
        >>> choose(pairs, torch.tensor([[0.9], [0.8], [0.7]]), 0, each=1)
        [('best', 0), ('random', 2), ('worst', 1)]
    """
    rows = outcomes.labels == label
    hits = dict(zip(outcomes.images[rows].tolist(), (outcomes.values[rows] > 0).tolist(), strict=True))
    told = {image: float(probabilities[image, label]) for image in hits}
    # From best to worst: sure hits, unsure hits, unsure misses, sure misses.
    order = sorted(hits, key=lambda image: (not hits[image], -told[image] if hits[image] else told[image], image))
    best = [image for image in order[:each] if hits[image]]
    rest = [image for image in order if image not in best]
    worst = rest[::-1][:each]
    rest = sorted(image for image in rest if image not in worst)
    drawn = np.random.default_rng(label).permutation(len(rest))[:each]
    kinds = {"best": best, "random": [rest[place] for place in drawn], "worst": worst}
    return [(kind, image) for kind, images in kinds.items() for image in images]


@torch.no_grad()
def gallery(model: HeatmapModel, dataset: LabelledDataset, evaluation: Evaluation) -> Iterator[Shown]:
    """Draw the pictures of an evaluation, class by class; the model runs again on the few images that are shown.

    Args:
        model: the one evaluated; it looks at the same views of the images again.
        dataset: the split evaluated, with its transform (`pylon_zoo.evaluation.evaluate.prepared`).
        evaluation: with records.

    Yields:
        The pictures; none for a class without boxes, or a model without heatmaps.
    """
    if evaluation.records is None or evaluation.point_accuracy is None:
        return
    model = with_views(model, evaluation.views, evaluation.placement)
    records, device = evaluation.records, next(model.parameters()).device
    maps_to = match_labels(model.label_names, evaluation.classes)
    names = {name: place for place, name in enumerate(dataset.classes)}
    with evaluating(model):
        for label, name in enumerate(evaluation.classes):
            for kind, index in choose(records.outcomes, records.probabilities, label):
                raw = dataset.load(index)
                sample = raw if dataset.transform is None else dataset.transform(raw)
                _, heatmap = model.forward_with_heatmap(collate([sample]).model_input(device))
                activation = model.activation if model.heatmap_unit == "logit" else None
                values = ACTIVATIONS[activation](heatmap.float())[0, maps_to[label]].cpu()
                boxes = sample.boxes[sample.boxes[:, 0] == names[name]]
                size = both(sample.image.shape[-2:])
                rows = (records.outcomes.images == index) & (records.outcomes.labels == label)
                yield Shown(
                    kind,
                    label,
                    index,
                    bool(records.outcomes.values[rows].item() > 0),
                    float(records.probabilities[index, label]),
                    records.paths[index],
                    draw(
                        raw.image,
                        values,
                        boxes,
                        size,
                        relative=activation is None,
                        grid=grid_for(model, size, evaluation.placement),
                    ),
                )


def draw(
    image: Tensor,
    values: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    relative: bool = False,
    grid: CellGrid | None = None,
) -> Image.Image:
    """One map over its image, with the true boxes and the peak as it was judged.

    Args:
        image: (C, H, W), uint8 or in [0, 1], as stored.
        values: (h, w), probabilities; or anything, when `relative`.
        boxes: (M, 5) in pixels of `size`.
        size: (H, W) that maps were judged at.
        relative: colour by share of the map's maximum.
        grid: of the map's cells, in pixels of `size`, see `pylon_zoo.cells.to_pixels`.

    Returns:
        RGB, the longer side `SIDE` pixels.
    """
    high, wide = image.shape[-2:]
    width, height = (max(1, round(side * SIDE / max(high, wide))) for side in (wide, high))
    grey = np.asarray(to_picture(image, (width, height)).convert("L"), dtype=np.float32)
    peak = int(peak_indices(values[None], size, grid))
    full = to_pixels(values, (height, width), None if grid is None else grid.scaled(size, (height, width)))
    shown = (full / values.max().clamp(min=1e-12) if relative else full).clamp(0, 1).numpy()
    canvas = blend(grey, shown, lookup_table(COLORMAP))
    across, down = width / size[1], height / size[0]
    picture = Image.fromarray(np.rint(canvas).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _, x0, y0, x1, y1 in boxes.tolist():
        left, top = x0 * across, y0 * down
        right, bottom = max(x1 * across, left + 1), max(y1 * down, top + 1)
        pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0), width=4)
        pen.rectangle((left, top, right, bottom), outline=BOX_COLOR, width=2)
    canvas = np.asarray(picture, dtype=np.float32).copy()
    place = ((peak % size[1] + 0.5) * across - 0.5, (peak // size[1] + 0.5) * down - 0.5)
    draw_crosshair(canvas, place)
    return Image.fromarray(np.rint(canvas).clip(0, 255).astype(np.uint8))
