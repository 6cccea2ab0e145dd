"""What an evaluation found: figures with their doubt, and the predictions that they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pylon_zoo.explanation.thresholds import Thresholds
from pylon_zoo.metrics import Bootstrap, Interval, MetricResult, OperatingPoint, Outcomes


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
        seconds: wall time of the pass, without that of metrics in `FAITHFULNESS`.
        auprc: average precision; support = positives.
        others: the other metrics, of `LOCALIZATION` and `FAITHFULNESS`, by name.
        by_masks: those that were judged by masks, where images have them; without, all by boxes.
        controls: control → localization metric → its result, for maps that know nothing of the image.
        pointing: which way the heatmaps point, `pylon_zoo.metrics.pointing` (offsets in pixels of `size`, and the share
            of peaks in one and the same cell); empty for a model without heatmaps.
        intervals: name of a figure → its bootstrap interval; controls' as `METRIC_CONTROL`, calibration's as `"ece"`,
            `"ece_temperature"` and `"ece_platt"`. Empty without bootstrap.
        replicates: draws of the bootstrap; 0 without.
        seed: of those draws.
        records: what was predicted for each image; None unless it comes from `evaluate`.
        decided: what thresholds from another split decide (`pylon_zoo.evaluation.decisions`).
        placement: where heatmaps' cells were judged to lie, `"exact"` or `"paper"`.
        views: of each image that were averaged, a key of `pylon_zoo.models.views.VIEWS`.
        thresholds: of the classes, where a metric went by them, and where they come from; else None.
        faithfulness: of the metrics in `FAITHFULNESS`, the settings that their numbers depend on.
        calibrated: `"temperature"` and `"platt"` → expected calibration error after scaling fitted on that split.

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> from pylon_zoo.evaluation.evaluate import evaluate
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
    seed: int = 0
    thresholds: Thresholds | None = None
    faithfulness: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def draws(self) -> Bootstrap | None:
        """What every interval was made of; None without bootstrap."""
        if self.records is None or not self.replicates:
            return None
        return Bootstrap(self.records.units, self.replicates, self.seed)


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
