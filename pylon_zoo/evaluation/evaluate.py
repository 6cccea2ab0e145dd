"""A model on a dataset: how well it ranks and how well it points, class by class, with doubt and controls."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pylon_zoo.cells import both
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.label_names import match_labels
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.evaluation.controls import Controls
from pylon_zoo.evaluation.scoring import score
from pylon_zoo.metrics import (
    Bootstrap,
    Interval,
    MetricResult,
    OperatingPoint,
    Outcomes,
    auroc,
    average_precision,
    pointing,
    wilson_interval,
)
from pylon_zoo.metrics.localization import check_metric
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.views import with_views
from pylon_zoo.optional import require
from pylon_zoo.placements import check_placement
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
        auprc: average precision; support = positives.
        others: the other localization metrics of `LOCALIZATION`, by name.
        by_masks: those that were judged by masks, where images have them; without, all by boxes.
        controls: control → localization metric → its result, for maps that know nothing of the image.
        pointing: which way the heatmaps point, `pylon_zoo.metrics.pointing` (offsets in pixels of `size`, and the share
            of peaks in one and the same cell); empty for a model without heatmaps.
        intervals: `"auroc"` and `"point_accuracy"` → bootstrap interval; empty without bootstrap.
        replicates: draws of the bootstrap; 0 without.
        records: what was predicted for each image; None unless it comes from `evaluate`.
        decided: what thresholds from another split decide (`pylon_zoo.evaluation.decisions`).
        placement: where heatmaps' cells were judged to lie, `"exact"` or `"paper"`.
        views: of each image that were averaged, a key of `pylon_zoo.models.viewpoints.VIEWS`.
        calibrated: `"temperature"` and `"platt"` → expected calibration error after scaling fitted on that split.

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> found = evaluate(model, data, size=64)
        >>> found.classes[0], found.size, sorted(found.controls)
        ('Cardiomegaly', (64, 64), ['centre', 'oracle', 'random'])
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
    auprc: MetricResult | None = None
    others: Mapping[str, MetricResult] = field(default_factory=dict)
    controls: Mapping[str, Mapping[str, MetricResult]] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    replicates: int = 0
    records: Records | None = None
    decided: OperatingPoint | None = None
    calibrated: Mapping[str, MetricResult] = field(default_factory=dict)
    placement: str = "exact"
    views: str = "none"
    pointing: Mapping[str, MetricResult] = field(default_factory=dict)
    by_masks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Records:
    """What was predicted for each of N images, over the K classes of an evaluation.

    Args:
        ranks: (N, K) float32, what images are ranked by.
        probabilities: (N, K) float32 in [0, 1].
        targets: (N, K) float32, NaN unknown.
        outcomes: hits and misses of the classes with boxes.
        paths: N images.
        patients: N patients, empty where unknown.
    """

    ranks: Tensor
    probabilities: Tensor
    targets: Tensor
    outcomes: Outcomes
    paths: tuple[str, ...]
    patients: tuple[str, ...]

    @property
    def units(self) -> list[str]:
        """What a bootstrap draws: the patient where known, else the image."""
        named = zip(self.patients, self.paths, strict=True)
        return [patient or path or str(index) for index, (patient, path) in enumerate(named)]


def evaluate(
    model: HeatmapModel,
    dataset: LabelledDataset,
    *,
    size: int | tuple[int, int] | None = None,
    batch_size: int = 32,
    device: torch.device | str | None = None,
    workers: int = 0,
    progress: bool = False,
    bootstrap: int = 0,
    seed: int = 0,
    controls: bool = True,
    metrics: Sequence[str] = (),
    placement: str = "exact",
    views: str = "none",
) -> Evaluation:
    """Evaluate a model on a dataset, classes matched by name.

    Args:
        model: whatever gives heatmaps, or logits alone (`pylon_zoo.HeatmapModel`): any model of the zoo, an
            `AttributedClassifier` of `pylon_zoo.attribution`, an `OnnxModel`; its mode is restored.
        dataset: its own transform is used if it has one (it must normalise and resize); otherwise the model's.
        size: pixels, square or (H, W), of the model's input when the dataset has no transform; None takes the model's.
        batch_size: images per forward pass.
        device: where to run; None leaves the model where it is.
        workers: processes that load images; 0 loads in this one.
        progress: show a progress bar on stderr.
        bootstrap: draws for the intervals, of patients where known and else of images; 0 gives no intervals.
        seed: of those draws.
        controls: also judge maps that know nothing of the image.
        metrics: names in `pylon_zoo.metrics.LOCALIZATION` to run besides point accuracy; some take a while, and some
            (`by_masks`) go by the pixels of masks, at input size, where the dataset has masks, and by boxes elsewhere.
        placement: where heatmaps' cells are judged to lie: `"exact"` is at the pixels they look at, `"paper"` as tiles
            of the image, as in the paper's tables.
        views: of every image that are averaged, a key of `pylon_zoo.models.viewpoints.VIEWS`; `"none"` is the image
            alone.

    Returns:
        The evaluation. Point accuracy is at input size, as in the paper.

    Raises:
        ConfigError: model and dataset have no class in common, or no such placement.
        UnknownNameError: a metric or views that do not exist; names the nearest.
        DataError: no images, or images that cannot be read.
        MissingDependencyError: scikit-learn is not installed.

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> evaluation = evaluate(model, data, size=64, metrics=["energy"])
        >>> evaluation.images, len(evaluation.auroc.per_class), list(evaluation.others)
        (8, 8, ['energy'])
    """
    check_placement(placement)
    model = with_views(model, views, placement)
    require("sklearn.metrics", extra="metrics")  # now rather than after the last image
    class_map = match_labels(model.label_names, dataset.classes)
    dataset = prepared(model, dataset, size)
    device = torch.device(device) if device is not None else next(model.parameters()).device
    batches = DataLoader(dataset, batch_size, num_workers=workers, collate_fn=collate, pin_memory=device.type == "cuda")

    others = [name for name in metrics if name != "point_accuracy"]
    for name in others:
        check_metric(name)
    paths, patients = [], []
    masked = False
    rivals = Controls(dataset.num_classes, ("point_accuracy", *others)) if controls and model.has_heatmap else None

    def noted(batches: Iterable[Batch]) -> Iterator[Batch]:
        nonlocal masked
        for batch in batches:
            paths.extend(batch.paths)
            patients.extend(batch.patients)
            masked = masked or any(masks is not None and bool(masks.any()) for masks in batch.masks)
            if rivals is not None:
                rivals.update(batch.boxes, both(batch.images.shape[-2:]), batch.paths, batch.masks)
            yield batch

    started = time.perf_counter()
    with evaluating(model.to(device)):
        shown = bar(batches, "evaluating", len(dataset), progress)
        scores = score(model, noted(shown), device, class_map, others, placement)

    common = [label for label, match in enumerate(class_map) if match is not None]
    chosen = [match for match in class_map if match is not None]
    records = Records(
        scores.ranks[:, chosen],
        scores.probabilities[:, chosen],
        scores.targets[:, common],
        scores.outcomes.select(chosen),
        tuple(paths),
        tuple(patients),
    )
    return Evaluation(
        model=model.architecture,
        dataset=dataset.name,
        split=dataset.split,
        classes=tuple(dataset.classes[label] for label in common),
        missing=tuple(name for name, match in zip(dataset.classes, class_map, strict=True) if match is None),
        images=len(records.targets),
        known=(~records.targets.isnan()).sum(0),
        positives=(records.targets == 1).sum(0),
        size=scores.size,
        auroc=auroc(records.ranks, records.targets),
        point_accuracy=scores.points.compute().select(chosen) if scores.points else None,
        seconds=time.perf_counter() - started,
        auprc=average_precision(records.ranks, records.targets),
        others={name: judge.compute().select(chosen) for name, judge in scores.others.items()},
        controls={
            control: {name: result.select(common) for name, result in results.items()}
            for control, results in (rivals.compute() if rivals else {}).items()
        },
        intervals=_intervals(records, bootstrap, seed, scores.points is not None) if bootstrap else {},
        replicates=bootstrap,
        records=records,
        placement=placement,
        views=views,
        pointing=pointing(records.outcomes, len(chosen)) if scores.points else {},
        by_masks=tuple(name for name, judge in scores.others.items() if masked and judge.by_masks),
    )


def prepared(model: HeatmapModel, dataset: LabelledDataset, size: int | tuple[int, int] | None) -> LabelledDataset:
    """The dataset with a transform: its own, or the model's at `size`; `dataset` itself is left alone."""
    if dataset.transform is not None:
        return dataset
    dataset = copy.copy(dataset)
    dataset.transform = eval_transform(model)
    if size is not None:
        dataset.transform = replace(dataset.transform, size=(size, size) if isinstance(size, int) else size)
    return dataset


def _intervals(records: Records, replicates: int, seed: int, points: bool) -> dict[str, Interval]:
    """Bootstrap intervals; a class that always or never hits has Wilson's, because its draws cannot vary."""
    draws = Bootstrap(records.units, replicates, seed)
    found = {"auroc": draws.auroc(records.ranks, records.targets)}
    if points:
        classes = records.targets.shape[1]
        drawn = draws.share(records.outcomes, classes)
        table, there = records.outcomes.table(len(records.targets), classes)
        low, high = wilson_interval(table.nansum(0), there.sum(0))
        varied = drawn.low < drawn.high
        found["point_accuracy"] = replace(drawn, low=drawn.low.where(varied, low), high=drawn.high.where(varied, high))
    return found
