"""What a pass over a dataset leaves behind: logits and targets kept, heatmaps judged and let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pylon_zoo.errors import DataError
from pylon_zoo.metrics.localization import LOCALIZATION, Localizer
from pylon_zoo.metrics.outcomes import Outcomes
from pylon_zoo.metrics.point import PointAccuracy


@dataclass(frozen=True)
class Scores:
    """A model's predictions for N images.

    Args:
        logits: (N, K) float32 on the CPU, K the model's classes.
        targets: (N, L) float32 on the CPU, L the dataset's classes, NaN unknown.
        size: (H, W) in pixels of the model's input.
        points: point accuracy over the model's classes at that size; None for a model without heatmaps.
        activation: how logits become probabilities, `"sigmoid"` or `"softmax"`.
        outcomes: the hits and misses that `points` counted, over the model's classes.
        others: the other metrics of `LOCALIZATION` that were asked for, by name.
    """

    logits: Tensor
    targets: Tensor
    size: tuple[int, int]
    points: PointAccuracy | None
    activation: str
    outcomes: Outcomes = field(default_factory=lambda: Outcomes.join([]))
    others: Mapping[str, Localizer] = field(default_factory=dict)

    @property
    def probabilities(self) -> Tensor:
        """(N, K) in [0, 1]."""
        return self.logits.softmax(dim=1) if self.activation == "softmax" else self.logits.sigmoid()

    @property
    def ranks(self) -> Tensor:
        """(N, K), what to rank images by: logits, or probabilities where the classes compete for them.

        A sigmoid keeps ranks and only loses precision by saturating; a softmax depends on the other classes' logits.
        """
        return self.logits.softmax(dim=1) if self.activation == "softmax" else self.logits


class ScoreKeeper:
    """Collects `Scores` batch by batch; its memory grows by the logits and targets only.

    Args:
        num_classes: K of the model.
        activation: of the model, `"sigmoid"` or `"softmax"`.
        class_map: for each of the dataset's classes the model's, None where it has none; by default they are the same.
        others: names in `LOCALIZATION` of metrics to run besides point accuracy.
        heatmap_activation: what to do to heatmaps before they are judged; by default the model's activation, None for
            heatmaps that are no logits.

    Example:
        >>> keeper = ScoreKeeper(num_classes=1)
        >>> keeper.update(torch.zeros(2, 1), None, torch.ones(2, 1), [torch.zeros(0, 5)] * 2, size=(64, 64))
        >>> keeper.compute().logits.shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        num_classes: int,
        activation: str = "sigmoid",
        class_map: Sequence[int | None] | None = None,
        heatmap_activation: str | None = "activation",
        others: Sequence[str] = (),
    ) -> None:
        self.num_classes, self.activation, self.class_map = num_classes, activation, class_map
        self.heatmap_activation = activation if heatmap_activation == "activation" else heatmap_activation
        self._logits: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._points: PointAccuracy | None = None
        self._others: dict[str, Localizer] = {}
        self._names = others
        self._outcomes: list[Outcomes] = []
        self._size = (0, 0)

    def update(
        self, logits: Tensor, heatmap: Tensor | None, targets: Tensor, boxes: Sequence[Tensor], size: tuple[int, int]
    ) -> None:
        """Take one batch.

        Args:
            logits: (N, K).
            heatmap: (N, K, h, w) raw logits; None when the model has none.
            targets: (N, L), NaN unknown.
            boxes: N tensors (M, 5), class indices the dataset's, in pixels of `size`.
            size: (H, W) of the images, the same for every batch.

        Raises:
            DataError: a heatmap that has a box is not finite, or shapes do not fit.
        """
        before = sum(map(len, self._logits))
        self._logits.append(logits.detach().float().cpu())
        self._targets.append(targets.float().cpu())
        self._size = size
        if heatmap is not None:
            if self._points is None:
                judges = (self.num_classes, size, self.heatmap_activation)
                self._points = PointAccuracy(*judges)
                self._others = {name: LOCALIZATION[name](*judges) for name in self._names}
            boxes = [relabel(image_boxes, self.class_map) for image_boxes in boxes]
            outcomes = self._points.judge(heatmap, boxes)
            self._points.count(outcomes.labels, outcomes.values)
            self._outcomes.append(replace(outcomes, images=outcomes.images + before))
            for judge in self._others.values():
                judge.update(heatmap, boxes)

    def compute(self) -> Scores:
        """Everything so far, images in the order they came.

        Raises:
            DataError: there was no image.
        """
        if not self._logits:
            raise DataError("There are no images to evaluate. Check the dataset's split and its folder.")
        outcomes = Outcomes.join(self._outcomes)
        kept = (torch.cat(self._logits), torch.cat(self._targets))
        return Scores(*kept, self._size, self._points, self.activation, outcomes, self._others)


def relabel(boxes: Tensor, class_map: Sequence[int | None] | None) -> Tensor:
    """Boxes with the dataset's class indices replaced by the model's; boxes of classes it lacks are left out.

    Args:
        boxes: (M, 5): class, x0, y0, x1, y1.
        class_map: dataset class → model class or None; None altogether keeps the boxes as they are.

    Example:
        >>> relabel(torch.tensor([[0.0, 1, 1, 2, 2], [1.0, 3, 3, 4, 4]]), [None, 7])
        tensor([[7., 3., 3., 4., 4.]])
    """
    if class_map is None or not len(boxes):
        return boxes
    table = torch.tensor([-1 if label is None else label for label in class_map], device=boxes.device)
    labels = table[boxes[:, 0].long()]
    return torch.cat([labels.unsqueeze(1).to(boxes.dtype), boxes[:, 1:]], dim=1)[labels >= 0]
