"""What a pass over a dataset leaves behind: logits and targets kept, heatmaps judged and let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import DataError
from pylon_zoo.metrics.findings import drawn
from pylon_zoo.metrics.localization import LOCALIZATION, Localizer, MakeLocalizer
from pylon_zoo.metrics.outcomes import Outcomes, Scored
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
        scored: of each of those, what every pair scored, over the model's classes; empty unless it was kept.

    Example:
        >>> scores = Scores(torch.zeros(2, 1), torch.tensor([[1.0], [0.0]]), (64, 64), None, "sigmoid")
        >>> scores.probabilities.tolist()
        [[0.5], [0.5]]
    """

    logits: Tensor
    targets: Tensor
    size: tuple[int, int]
    points: PointAccuracy | None
    activation: str
    outcomes: Outcomes = field(default_factory=lambda: Outcomes.join([]))
    others: Mapping[str, Localizer] = field(default_factory=dict)
    scored: Mapping[str, Scored] = field(default_factory=dict)

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
    """Collects `Scores` batch by batch; its memory grows by the logits and targets only, and by pairs that are kept.

    Several processes may each take a shard of a dataset: the `state()` of every keeper, in any order, given to
    `load_states` of one of them, is what a single pass over the same outputs would have left, bit for bit.

    Args:
        num_classes: K of the model.
        activation: of the model, `"sigmoid"` or `"softmax"`.
        class_map: for each of the dataset's classes the model's, None where it has none; by default they are the same.
        heatmap_unit: of the model; `"logit"` heatmaps go through the activation before they are judged, others do not.
        others: metrics to run besides point accuracy: names in `LOCALIZATION`, or names with what makes them, as there.
        keep: also what every pair scored in those, which intervals need: a number for each pair as a rule, up to 1 kB
            for `max_box`, 8 kB for `pxap` and `peak_iou`.

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
        heatmap_unit: str = "logit",
        others: Sequence[str] | Mapping[str, MakeLocalizer] = (),
        keep: bool = False,
    ) -> None:
        self.num_classes, self.activation, self.class_map = num_classes, activation, class_map
        self.heatmap_unit, self.keep = heatmap_unit, keep
        self._make = others if isinstance(others, Mapping) else {name: LOCALIZATION[name] for name in others}
        self._clear()

    def _clear(self) -> None:
        self._kept: dict[str, list[Tensor]] = {"positions": [], "logits": [], "targets": []}
        self._outcomes: list[Outcomes] = []
        self._points: PointAccuracy | None = None
        self._others: dict[str, Localizer] = {}
        self._scored: dict[str, list[Scored]] = {name: [] for name in self._make} if self.keep else {}
        self._size = (0, 0)

    def update(
        self,
        logits: Tensor,
        heatmap: Tensor | None,
        targets: Tensor,
        boxes: Sequence[Tensor],
        size: tuple[int, int],
        indices: Sequence[int] | Tensor | None = None,
        grid: CellGrid | None = None,
        masks: Sequence[Tensor | None] = (),
    ) -> None:
        """Take one batch.

        Args:
            logits: (N, K).
            heatmap: (N, K, h, w) raw logits; None when the model has none.
            targets: (N, L), NaN unknown.
            boxes: N tensors (M, 5), class indices the dataset's, in pixels of `size`.
            size: (H, W) of the images, the same for every batch.
            indices: N positions in the dataset, each of them once in a pass; None counts on from the images so far.
            grid: where the heatmap's cells lie in pixels of `size`, the same for every batch; None takes them for
                tiles of the image.
            masks: N tensors (L, *size), non-zero on the dataset's classes, None for an image without, or none at all;
                for the metrics that judge by masks.

        Raises:
            DataError: a heatmap that has a box is not finite, or shapes do not fit.
        """
        before = sum(map(len, self._kept["positions"]))
        positions = torch.as_tensor(range(before, before + len(logits)) if indices is None else indices).long().cpu()
        if len(positions) != len(logits):
            raise DataError(f"{len(positions)} positions were given for {len(logits)} images; give one for each.")
        self._size = size
        if heatmap is not None:
            points = self._start_judges(grid)
            boxes = [relabel(image_boxes, self.class_map) for image_boxes in boxes]
            outcomes = points.judge(heatmap, boxes)
            points.count(outcomes.labels, outcomes.values)
            self._outcomes.append(replace(outcomes, images=positions[outcomes.images]))
            by_masks = any(judge.by_masks for judge in self._others.values())
            both = drawn(boxes, masks, self.class_map) if by_masks else boxes
            for name, judge in self._others.items():
                scored = judge.measure(heatmap, both if judge.by_masks else boxes)
                if self.keep:
                    self._scored[name].append(replace(scored, images=positions[scored.images]))
        batch = {"positions": positions, "logits": logits.detach().float().cpu(), "targets": targets.float().cpu()}
        for name, tensor in batch.items():
            self._kept[name].append(tensor)

    def state(self) -> dict[str, Any]:
        """Everything so far as tensors on the CPU in nested tables, to be sent to another process."""
        outcomes = Outcomes.join(self._outcomes)
        kept = {name: torch.cat(parts) if parts else torch.zeros(0) for name, parts in self._kept.items()}
        judges = {} if self._points is None else {"point_accuracy": self._points, **self._others}
        return {
            "size": torch.tensor(self._size),
            **kept,
            "outcomes": {one.name: getattr(outcomes, one.name) for one in fields(outcomes)},
            "sums": {name: dict(judge.sums) for name, judge in judges.items()},
            "scored": {name: vars(Scored.join(parts)) for name, parts in self._scored.items()},
        }

    def load_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Hold what several keepers with this one's settings held, instead of what it holds.

        Args:
            states: their `state()`, in any order; those of keepers without images are welcome.

        Raises:
            DataError: images of different sizes, or some with heatmaps and some without.
        """
        states = [state for state in states if len(state["positions"])]
        if len({(*state["size"].tolist(), bool(state["sums"])) for state in states}) > 1:
            raise DataError("Scores of different image sizes, or with and without heatmaps, cannot be joined.")
        self._clear()
        for state in states:
            self._size = tuple(state["size"].tolist())
            for name, parts in self._kept.items():
                parts.append(state[name])
            self._outcomes.append(Outcomes(**state["outcomes"]))
            for name, scored in self._scored.items():
                scored.append(Scored(**state["scored"][name]))
            if state["sums"]:
                judges: dict[str, Localizer] = {"point_accuracy": self._start_judges(), **self._others}
                for name, judge in judges.items():
                    judge.add_sums(state["sums"][name])

    def _start_judges(self, grid: CellGrid | None = None) -> PointAccuracy:
        """The localization metrics, once the size of the images is known; gives point accuracy."""
        if self._points is None:
            judges = (self.num_classes, self._size, self.activation if self.heatmap_unit == "logit" else None)
            self._points = PointAccuracy(*judges, grid=grid)
            self._others = {name: make(*judges, grid=grid) for name, make in self._make.items()}
        return self._points

    def compute(self) -> Scores:
        """Everything so far, images in the dataset's order.

        Raises:
            DataError: there was no image, or one came twice.
        """
        if not self._kept["positions"]:
            raise DataError("There are no images to evaluate. Check the dataset's split and its folder.")
        positions, order = torch.cat(self._kept["positions"]).sort()
        if len(twice := positions[1:][positions[1:] == positions[:-1]]):
            raise DataError(
                f"{len(twice)} images were scored twice, the first at position {int(twice[0])} of the dataset. Give "
                "every process other images."
            )
        logits, targets = (torch.cat(self._kept[name])[order] for name in ("logits", "targets"))
        outcomes = Outcomes.join(self._outcomes)
        places = torch.searchsorted(positions, outcomes.images)
        rank = (places * self.num_classes + outcomes.labels).argsort()
        outcomes = replace(outcomes, images=places).take(rank)
        scored = {}
        for name, parts in self._scored.items():
            one = Scored.join(parts)
            one = replace(one, images=torch.searchsorted(positions, one.images))
            scored[name] = one.take((one.images * self.num_classes + one.labels).argsort())
        return Scores(logits, targets, self._size, self._points, self.activation, outcomes, self._others, scored)


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
