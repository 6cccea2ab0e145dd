"""Metrics that ask the model again and again, on some of the pairs that a dataset has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.explanation.explainer import half_logits
from pylon_zoo.metrics.faithfulness import FAITHFULNESS, Asked, Eraser, forwards
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.result import MetricResult
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.scoring import Seen


class Faithfulness:
    """Runs metrics of `FAITHFULNESS` beside an evaluation's pass, on the pairs that were chosen before it.

    Args:
        model: in evaluation mode during the pass, with heatmaps.
        metrics: names in `FAITHFULNESS`.
        targets: (N, L) of the dataset's images and classes.
        class_map: dataset class → model class, None for a class the model does not have.
        thresholds: K probabilities from which on a class counts as found.
        pairs_per_class: images that have a class, drawn by lot, at most; 0 for all.
        batch_size: images per forward pass.
        seed: of the lot.

    Attributes:
        seconds: spent so far.
    """

    def __init__(
        self,
        model: HeatmapModel,
        metrics: Sequence[str],
        targets: Tensor,
        class_map: Sequence[int | None],
        thresholds: Sequence[float],
        pairs_per_class: int,
        batch_size: int,
        seed: int = 0,
    ) -> None:
        self.model, self.metrics, self.thresholds, self.batch_size = model, metrics, thresholds, batch_size
        self.pairs_per_class = pairs_per_class
        self.chosen = chosen_pairs(targets, class_map, model.num_classes, pairs_per_class, seed)
        self._erasers: dict[str, Eraser] = {}
        self._scored: dict[str, list[Scored]] = {name: [] for name in metrics}
        self._images = 0
        self.seconds = 0.0

    @property
    def price(self) -> str:
        """What it will cost, in one sentence."""
        pairs = int(self.chosen.sum())
        each = ", ".join(f"{name} {forwards(name)}" for name in self.metrics)
        total = pairs * sum(map(forwards, self.metrics))
        return f"{pairs:,} pairs of an image and a class will take up to {total:,} forward passes ({each} for a pair)."

    def update(self, seen: Seen) -> None:
        """Measure what is chosen of one batch; batches come in the order of the dataset."""
        started = time.perf_counter()
        self._measure(seen)
        self.seconds += time.perf_counter() - started

    def _measure(self, seen: Seen) -> None:
        first, self._images = self._images, self._images + len(seen.batch)
        wanted = self.chosen[first : self._images]
        rows = wanted.any(dim=1).nonzero().flatten()
        if not self._erasers:
            asked = Asked(self._independent, self.model.num_classes, self.thresholds, self.batch_size, seen.grid)
            self._erasers = {name: FAITHFULNESS[name](asked) for name in self.metrics}
        if not len(rows) or seen.heatmap is None:
            return
        here = rows.to(seen.images.device)
        for name, eraser in self._erasers.items():
            values = eraser.update(seen.images[here], seen.heatmap[here], wanted[rows].float())
            image, label = (~values.isnan()).nonzero(as_tuple=True)
            self._scored[name].append(Scored(first + rows[image], label, values[image, label]))

    def _independent(self, images: Tensor) -> Tensor:
        """Logits whose sigmoid is the probability, also of classes that compete."""
        logits = self.model(images).float()
        return logits - half_logits(logits, self.model.activation)

    def results(self, classes: Sequence[int]) -> dict[str, MetricResult]:
        """The figures of some of the model's classes."""
        return {name: eraser.compute().select(classes) for name, eraser in self._erasers.items()}

    def scored(self, classes: Sequence[int]) -> dict[str, Scored]:
        """What every pair scored, of some of the model's classes."""
        return {name: Scored.join(parts).select(classes) for name, parts in self._scored.items()}

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """All that the numbers depend on, by metric."""
        lot = {"pairs_per_class": self.pairs_per_class or None}
        return {name: lot | _plain(eraser.settings) for name, eraser in self._erasers.items()}


def _plain(settings: Mapping[str, object]) -> dict[str, Any]:
    """Settings that say something and that JSON has words for."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name != "grid" and value is not None
    }


def chosen_pairs(
    targets: Tensor, class_map: Sequence[int | None], num_classes: int, pairs_per_class: int, seed: int = 0
) -> Tensor:
    """Which images of which classes are looked at: those that have the class, or some of them.

    Args:
        targets: (N, L), 1 present, 0 absent, NaN unknown.
        class_map: dataset class → model class, None for a class the model does not have.
        num_classes: K of the model.
        pairs_per_class: at most; 0 for all.
        seed: of the lot; the classes' lots do not depend on each other.

    Returns:
        (N, K) bool.

    Example:
        >>> chosen_pairs(torch.ones(5, 2), [None, 0], num_classes=3, pairs_per_class=2).sum(0).tolist()
        [2, 0, 0]
    """
    chosen = torch.zeros(len(targets), num_classes, dtype=torch.bool)
    for label, match in enumerate(class_map):
        if match is not None:
            having = (targets[:, label] == 1).nonzero().flatten().numpy()
            lot = np.random.default_rng((seed, label)).permutation(having)
            chosen[torch.from_numpy(lot[: pairs_per_class or len(lot)].copy()), match] = True
    return chosen
