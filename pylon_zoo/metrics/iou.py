"""Intersection over union of heatmaps cut at a threshold: a given one per class, or the best one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.geometry import unit_range
from pylon_zoo.metrics.pairs import PairMetric, Pairs
from pylon_zoo.metrics.pxap import PixelPrecision


class HeatmapIou(PairMetric):
    """Mean IoU between the pixels at or above their class's threshold and the class's boxes or mask.

    intersection ÷ union per (image, class) pair with a finding, then the mean over pairs. With the classes'
    g-mean thresholds (maximal √(sensitivity · specificity), fitted on validation images) this is the paper's IoU
    (Preechakul et al. 2022, STAR Methods). With `normalise=True`, masks, and thresholds tuned on its validation split
    it is CheXlocalize's mIoU (Saporta et al. 2022), which has `true_positives_only=True`; its hit rate is
    `PointAccuracy` given masks.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PointAccuracy`.
        thresholds: one number for all classes or K of them, in what the activation gives (probabilities), or in
            [0, 1] of the normalised map.
        normalise: scale each upsampled map to [0, 1] by its minimum and maximum first; a constant map becomes 0.
        true_positives_only: leave out pairs without any pixel at or above the threshold, instead of counting 0.
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PointAccuracy`, or not one threshold per class.

    Example:
        >>> metric = HeatmapIou(1, (1, 4), activation=None, thresholds=0.5)
        >>> metric.update(torch.tensor([[[[0.9, 0.5, 0.1, 0.0]]]]), [torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]])])
        >>> round(metric.compute().macro, 3)
        0.333
    """

    name = "iou"
    by_masks = True

    def __init__(
        self,
        num_classes: int,
        size: tuple[int, int],
        activation: str | None = "sigmoid",
        thresholds: float | Sequence[float] = 0.5,
        normalise: bool = False,
        true_positives_only: bool = False,
        grid: CellGrid | None = None,
    ) -> None:
        super().__init__(num_classes, size, activation, grid)
        chosen = (thresholds,) * num_classes if isinstance(thresholds, (int, float)) else tuple(thresholds)
        if len(chosen) != num_classes or any(value != value for value in chosen):
            raise ConfigError(
                f"{len(chosen)} thresholds were given for {num_classes} classes; give one number, or one per class "
                "(none may be NaN: a class without positives in validation has no g-mean threshold)."
            )
        self.thresholds = tuple(map(float, chosen))
        self.normalise, self.true_positives_only = normalise, true_positives_only

    def score(self, pairs: Pairs) -> Tensor:
        """IoU in [0, 1], (P,); NaN where the pair is left out."""
        maps, truth = pairs.flat
        cut = torch.tensor(self.thresholds, device=maps.device)[pairs.labels].unsqueeze(1)
        predicted = (unit_range(maps) if self.normalise else maps) >= cut
        both, union = (predicted & truth).sum(dim=1).double(), (predicted | truth).sum(dim=1)
        scores = both / union.clamp(min=1)
        return scores.masked_fill(~predicted.any(dim=1), float("nan")) if self.true_positives_only else scores


class PeakIou(PixelPrecision):
    """Peak IoU (pIoU): the best intersection over union of a class's pixels at any one threshold for all its images.

    Maps are scaled and counted as for PxAP. At each threshold of the grid, pixels of all images of a class are pooled:
    both ÷ (predicted or on the finding); the value is the largest. Like MaxBoxAccV2 it takes its threshold from the
    data it is judged on: compare models, not datasets. (Zhu et al. 2022, "Bagging regional classification activation
    maps for weakly supervised object localization", from `wsolevaluation`'s counts; Choe et al. 2020 have PxAP alone.)
    A map that is the same everywhere scores the finding's share of its images.

    Args:
        num_classes: K.
        size: (H, W) in pixels.
        activation: as for `PixelPrecision`.
        interval: width of a bin, in (0, 1).
        grid: as for `PairMetric`.

    Raises:
        ConfigError: as for `PixelPrecision`.

    Example:
        >>> metric = PeakIou(1, (1, 4), activation=None)
        >>> metric.update(torch.tensor([[[[4.0, 3.0, 2.0, 0.0]]]]), [torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]])])
        >>> round(metric.compute().macro, 3)  # all but the last: 2 of 3
        0.667
    """

    name = "peak_iou"

    def value(self, pixels: Tensor) -> Tensor:
        """(K,) float64 of counts (K, 2, bins): the largest IoU, NaN without a pixel on the finding."""
        false, true = pixels.flip(2).double().cumsum(dim=2).unbind(1)
        wanted = true[:, -1:]
        return (true / (wanted + false)).amax(dim=1).masked_fill(wanted[:, 0] == 0, torch.nan)
