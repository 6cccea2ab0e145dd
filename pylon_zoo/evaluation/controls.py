"""Heatmaps that know nothing of the image, judged like a model's: what a number must be compared with."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pylon_zoo.metrics.controls import centre_heatmaps, oracle_heatmaps, random_heatmaps
from pylon_zoo.metrics.findings import Drawn, Regions, drawn
from pylon_zoo.metrics.localization import LOCALIZATION, Localizer
from pylon_zoo.metrics.outcomes import Scored
from pylon_zoo.metrics.pairs import PIXELS_AT_ONCE
from pylon_zoo.metrics.resampling import Statistic
from pylon_zoo.metrics.result import MetricResult

CELLS = 33
"""Side of the centre map; odd, so that there is a middle cell."""


def random_maps(classes: int, size: tuple[int, int], regions: Regions, seeds: Sequence[int]) -> Tensor:
    """Noise, one for all classes of an image, (N, K, H, W): it hits with the boxes' share of the image.

    Noise of coarser cells would peak too often at the border, where upsampling has nothing to average with.
    """
    return torch.cat([random_heatmaps((1, 1, *size), seed) for seed in seeds]).expand(-1, classes, -1, -1)


def centre_maps(classes: int, size: tuple[int, int], regions: Regions, seeds: Sequence[int]) -> Tensor:
    """A bump in the middle of each image, (N, K, 33, 33) in (0, 1]."""
    return centre_heatmaps((len(seeds), classes, CELLS, CELLS))


def oracle_maps(classes: int, size: tuple[int, int], regions: Regions, seeds: Sequence[int]) -> Tensor:
    """The findings, (N, K, H, W) of 0 and 1: what the metric gives at best, below 1 where a box holds no pixel."""
    return (oracle_heatmaps(regions, classes, size) > 0).float()


CONTROLS: dict[str, Callable[[int, tuple[int, int], Regions, Sequence[int]], Tensor]] = {
    "random": random_maps,
    "centre": centre_maps,
    "oracle": oracle_maps,
}
"""Name → heatmaps (N, K, h, w) of the number of classes, the size (H, W), where findings are, and N seeds."""


class Controls:
    """Runs every control through every localization metric, a few images at a time.

    The random map of an image depends on the image's path alone, so neither order nor batch size changes it.

    Args:
        classes: K.
        metrics: names in `LOCALIZATION`.
        keep: also what every pair scored, which intervals need.

    Example:
        >>> import torch
        >>> controls = Controls(1)
        >>> controls.update([torch.tensor([[0.0, 0, 0, 15, 15]])], (64, 64), ["one.png"])
        >>> {name: results["point_accuracy"].macro for name, results in controls.compute().items() if name != "random"}
        {'centre': 0.0, 'oracle': 1.0}
    """

    def __init__(self, classes: int, metrics: Sequence[str] = ("point_accuracy",), keep: bool = False) -> None:
        self.classes = classes
        self.metrics = metrics
        self.keep = keep
        self._judges: dict[str, dict[str, Localizer]] = {}
        self._scored: dict[tuple[str, str], list[Scored]] = {}
        self._images = 0

    def update(
        self, boxes: Sequence[Tensor], size: tuple[int, int], paths: Sequence[str], masks: Sequence[Tensor | None] = ()
    ) -> None:
        """Judge the controls on one batch.

        Args:
            boxes: N tensors (M, 5) in pixels of `size`.
            size: (H, W), the same for every batch.
            paths: N names of images.
            masks: N tensors (K, *size), None for an image without, or none at all; metrics that judge by masks judge
                the controls by them too.
        """
        if not self._judges:
            self._judges = {
                control: {name: LOCALIZATION[name](self.classes, size, None) for name in self.metrics}
                for control in CONTROLS
            }
        kinds = {judge.by_masks for judges in self._judges.values() for judge in judges.values()}
        at_once = max(1, PIXELS_AT_ONCE // (self.classes * size[0] * size[1]))
        for by_masks in kinds:
            drawings = masks if by_masks and masks else [None] * len(boxes)
            images = [
                (self._images + place, image_boxes, mask, zlib.crc32(path.encode("utf-8", "surrogatepass")))
                for place, (image_boxes, mask, path) in enumerate(zip(boxes, drawings, paths, strict=True))
                if len(image_boxes) or isinstance(drawn([image_boxes], [mask]), Drawn)
            ]
            for start in range(0, len(images), at_once):
                numbers, some_boxes, some_masks, seeds = zip(*images[start : start + at_once], strict=True)
                self._judge(drawn(some_boxes, some_masks), numbers, seeds, size, by_masks)
        self._images += len(boxes)

    def _judge(
        self, regions: Regions, numbers: Sequence[int], seeds: Sequence[int], size: tuple[int, int], by_masks: bool
    ) -> None:
        """Some images of those numbers, by the metrics that take masks or by those that do not."""
        for control, draw in CONTROLS.items():
            heatmaps = draw(self.classes, size, regions, seeds)
            for name, judge in self._judges[control].items():
                if judge.by_masks is by_masks:
                    scored = judge.measure(heatmaps, regions)
                    if self.keep:
                        placed = replace(scored, images=torch.tensor(numbers)[scored.images])
                        self._scored.setdefault((control, name), []).append(placed)

    def compute(self) -> Mapping[str, Mapping[str, MetricResult]]:
        """Control → metric → result."""
        return {
            control: {name: judge.compute() for name, judge in judges.items()}
            for control, judges in self._judges.items()
        }

    def statistics(self, chosen: Sequence[int]) -> Iterator[Statistic]:
        """How the figures of some classes follow from the images of a draw, each named `METRIC_CONTROL`."""
        for (control, name), parts in self._scored.items():
            scored = Scored.join(parts).select(chosen)
            yield self._judges[control][name].statistic(f"{name}_{control}", scored, len(chosen))
