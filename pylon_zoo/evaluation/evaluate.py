"""A model on a dataset: how well it ranks and how well it points, class by class, with doubt and controls."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch.utils.data import DataLoader

from pylon_zoo.cells import both
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.label_names import match_labels
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.evaluation.controls import Controls
from pylon_zoo.evaluation.faithfulness import Faithfulness
from pylon_zoo.evaluation.intervals import intervals, localization_statistics
from pylon_zoo.evaluation.judges import BY_THRESHOLD, iou_at, thresholds_of
from pylon_zoo.evaluation.result import Evaluation, Records
from pylon_zoo.metrics import FAITHFULNESS, LOCALIZATION, auroc, average_precision, pointing
from pylon_zoo.metrics.faithfulness import check_metrics
from pylon_zoo.metrics.resampling import CalibrationError, Mean, Ranking
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.views import with_views
from pylon_zoo.optional import require
from pylon_zoo.placements import check_placement
from pylon_zoo.preprocessing import eval_transform
from pylon_zoo.progress import bar
from pylon_zoo.scoring import score

PAIRS_PER_CLASS = 50
"""Images of a class that metrics of many forward passes look at, where nobody says otherwise."""


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
    thresholds: Mapping[str, float] | None = None,
    pairs_per_class: int = PAIRS_PER_CLASS,
    say: Callable[[str], None] | None = None,
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
            Also names in `pylon_zoo.metrics.FAITHFULNESS`, which ask the model some 200 times for every pair of an
            image and a class it has; they have no controls.
        placement: where heatmaps' cells are judged to lie: `"exact"` is at the pixels they look at, `"paper"` as tiles
            of the image, as in the paper's tables.
        views: of every image that are averaged, a key of `pylon_zoo.models.viewpoints.VIEWS`; `"none"` is the image
            alone.
        thresholds: class of the dataset → probability from which on it counts as found, for `iou` and
            `masked_out_area`; classes that are left out, and None, take the model's own, and 0.5 where it has none.
        pairs_per_class: images of each class that metrics in `FAITHFULNESS` look at, drawn by lot; 0 for all.
        say: called with one sentence about what those metrics will cost, before the pass.

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

    check_metrics(metrics)
    asked = [name for name in metrics if name != "point_accuracy"]
    others = [name for name in asked if name in LOCALIZATION]
    erasing = [name for name in asked if name in FAITHFULNESS and model.has_heatmap]
    limits = thresholds_of(model, class_map, dataset.classes, thresholds)
    faithful = None
    if erasing:
        lot = (dataset.targets(), class_map, limits.values, pairs_per_class, batch_size, seed)
        faithful = Faithfulness(model, erasing, *lot)
        if say is not None:
            say(faithful.price)
    judges = {name: LOCALIZATION[name] for name in others}
    if "iou" in judges:
        judges["iou"] = iou_at(limits.values, model.heatmap_unit)
    paths, patients = [], []
    masked = False
    rivals = None
    if controls and model.has_heatmap:
        rivals = Controls(dataset.num_classes, ("point_accuracy", *others), keep=bootstrap > 0)

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
        scores = score(
            model,
            noted(shown),
            device,
            class_map=class_map,
            others=judges,
            keep=bootstrap > 0,
            placement=placement,
            watch=faithful.update if faithful else None,
        ).compute()

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
    by_threshold = [name for name in asked if name in BY_THRESHOLD and scores.points is not None]
    evaluation = Evaluation(
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
        seconds=time.perf_counter() - started - (faithful.seconds if faithful else 0.0),
        auprc=average_precision(records.ranks, records.targets),
        others={
            **{name: judge.compute().select(chosen) for name, judge in scores.others.items()},
            **(faithful.results(chosen) if faithful else {}),
        },
        controls={
            control: {name: result.select(common) for name, result in results.items()}
            for control, results in (rivals.compute() if rivals else {}).items()
        },
        replicates=bootstrap,
        seed=seed,
        records=records,
        placement=placement,
        views=views,
        pointing=pointing(records.outcomes, len(chosen)) if scores.points else {},
        by_masks=tuple(name for name, judge in scores.others.items() if masked and judge.by_masks),
        thresholds=limits.of(chosen) if by_threshold else None,
        faithfulness=faithful.settings if faithful else {},
    )
    if evaluation.draws is None:
        return evaluation
    statistics = [
        Ranking(records.ranks, records.targets),
        CalibrationError("ece", records.probabilities, records.targets),
        *(localization_statistics(scores, chosen) if scores.points else ()),
        *(rivals.statistics(common) if rivals else ()),
        *(Mean(name, one, len(chosen)) for name, one in (faithful.scored(chosen) if faithful else {}).items()),
    ]
    return replace(evaluation, intervals=intervals(evaluation.draws, statistics))


def prepared(model: HeatmapModel, dataset: LabelledDataset, size: int | tuple[int, int] | None) -> LabelledDataset:
    """The dataset with a transform: its own, or the model's at `size`; `dataset` itself is left alone.

    The model's leaves normalising to `Batch.model_input`.
    """
    if dataset.transform is not None:
        return dataset
    dataset = copy.copy(dataset)
    dataset.transform = replace(eval_transform(model), normalize=False)
    if size is not None:
        dataset.transform = replace(dataset.transform, size=(size, size) if isinstance(size, int) else size)
    return dataset
