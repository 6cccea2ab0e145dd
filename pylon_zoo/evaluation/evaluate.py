"""A model on a dataset: AUROC and point localization accuracy, class by class."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.evaluation.labels import match_labels
from pylon_zoo.metrics import MetricResult, ScoreKeeper, Scores, auroc
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.modes import evaluating
from pylon_zoo.optional import require
from pylon_zoo.preprocessing import eval_transform
from pylon_zoo.progress import bar


@dataclass(frozen=True)
class Evaluation:
    """The numbers of one model on one split.

    Args:
        model: architecture of the model.
        dataset, split: what it was evaluated on.
        classes: the K classes of the dataset that the model has, in the dataset's order.
        missing: classes of the dataset that the model lacks; they are not evaluated.
        images: number of images, N.
        known: (K,) images whose label is known, per class.
        positives: (K,) images that have the class.
        size: (H, W) in pixels that images and heatmaps were judged at.
        auroc: area under the ROC curve; support = positives.
        point_accuracy: support = images with a box of the class; None for a model without heatmaps.
        seconds: wall time of the pass.
    """

    model: str
    dataset: str
    split: str
    classes: tuple[str, ...]
    missing: tuple[str, ...]
    images: int
    known: Tensor
    positives: Tensor
    size: tuple[int, int]
    auroc: MetricResult
    point_accuracy: MetricResult | None
    seconds: float


def evaluate(
    model: HeatmapClassifier,
    dataset: LabelledDataset,
    *,
    size: int | tuple[int, int] | None = None,
    batch_size: int = 32,
    device: torch.device | str | None = None,
    workers: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Evaluate a model on a dataset, classes matched by name.

    Args:
        model: any model of the zoo, or an `AttributedClassifier` of `pylon_zoo.attribution`; its mode is restored.
        dataset: its own transform is used if it has one (it must normalise and resize); otherwise the model's.
        size: pixels, square or (H, W), of the model's input when the dataset has no transform; None takes the model's.
        batch_size: images per forward pass.
        device: where to run; None leaves the model where it is.
        workers: processes that load images; 0 loads in this one.
        progress: show a progress bar on stderr.

    Returns:
        The evaluation. Point accuracy is at input size, as in the paper.

    Raises:
        ConfigError: model and dataset have no class in common.
        DataError: no images, or images that cannot be read.
        MissingDependencyError: scikit-learn is not installed.
    """
    require("sklearn.metrics", extra="metrics")  # now rather than after the last image
    class_map = match_labels(model.label_names, dataset.classes)
    if dataset.transform is None:
        dataset = copy.copy(dataset)
        dataset.transform = eval_transform(model)
        if size is not None:
            pair = (size, size) if isinstance(size, int) else size
            dataset.transform = replace(dataset.transform, size=pair)
    device = torch.device(device) if device is not None else next(model.parameters()).device
    batches = DataLoader(dataset, batch_size, num_workers=workers, collate_fn=collate, pin_memory=device.type == "cuda")

    started = time.perf_counter()
    with evaluating(model.to(device)):
        scores = score(model, bar(batches, "evaluating", len(dataset), progress), device, class_map)

    common = [label for label, match in enumerate(class_map) if match is not None]
    chosen = [match for match in class_map if match is not None]
    targets = scores.targets[:, common]
    return Evaluation(
        model=model.architecture,
        dataset=dataset.name,
        split=dataset.split,
        classes=tuple(dataset.classes[label] for label in common),
        missing=tuple(name for name, match in zip(dataset.classes, class_map, strict=True) if match is None),
        images=len(targets),
        known=(~targets.isnan()).sum(0),
        positives=(targets == 1).sum(0),
        size=scores.size,
        auroc=auroc(scores.ranks[:, chosen], targets),
        point_accuracy=scores.points.compute().select(chosen) if scores.points else None,
        seconds=time.perf_counter() - started,
    )


@torch.no_grad()
def score(
    model: HeatmapClassifier,
    batches: Iterable[Batch],
    device: torch.device | str,
    class_map: Sequence[int | None] | None = None,
) -> Scores:
    """Run a model over batches of one image size.

    Args:
        model: on `device`, in evaluation mode.
        batches: of normalised images; boxes in pixels of those.
        device: where the model is.
        class_map: dataset class → model class, None for a class the model does not have; by default the same.

    Returns:
        The scores, images in the order of `batches`.

    Raises:
        DataError: there is no image, or a heatmap that has a box is not finite.
    """
    judged = model.activation if model.heatmap_unit == "logit" else None
    keeper = ScoreKeeper(model.num_classes, model.activation, class_map, judged)
    for batch in batches:
        images = batch.images.to(device, non_blocking=True)
        logits, heatmap = model.forward_with_heatmap(images) if model.has_heatmap else (model(images), None)
        keeper.update(logits, heatmap, batch.targets, batch.boxes, tuple(images.shape[-2:]))
    return keeper.compute()
