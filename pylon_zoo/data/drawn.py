"""The base of datasets whose images are computed from a seed and a number instead of read from files."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, suggest

COUNTS = {"train": 4000, "val": 500, "test": 1000}
MIN_SIZE = 32


def check_least(subject: str, **given: tuple[int, int]) -> None:
    """Refuse a number that is below its least.

    Args:
        subject: of the message, with `{}` for the name.
        given: name → the number, and its least.

    Raises:
        ConfigError: one is.

    Example:
        >>> check_least("The {} of a picture", seed=(3, 0), size=(64, MIN_SIZE))
    """
    for name, (value, least) in given.items():
        if value < least:
            raise ConfigError(f"{subject.format(name)} must be at least {least}, got {value}.")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn picture and what is in it.

    Attributes:
        image: (H, W) uint8.
        labels: (K,) float32, 1 where the class is present, else 0.
        boxes: (M, 5) float32: class index, x0, y0, x1, y1 in pixels of `image`.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.float32]
    boxes: NDArray[np.float32]


class DrawnDataset(LabelledDataset):
    """Square grey images that are drawn when they are asked for.

    A subclass sets `name` and `classes`, and writes `draw` and `draw_labels`.

    Args:
        split: `"train"`, `"val"` or `"test"`; no image is in two of them.
        size: side of the images in pixels, at least 32.
        count: number of images; by default 4000, 500 and 1000. More images keep the first ones as they were.
        seed: of the whole collection, not negative.
        transform: `Sample -> Sample`.
        cache: keep every image once drawn, at size² bytes each (128 px, 4000 images: 66 MB), so that later epochs do
            not draw it again. Each worker process of a loader has its own cache.

    Raises:
        ConfigError: unknown split, or a size, count or seed that is too small.
    """

    channels = 1

    def __init__(
        self,
        split: str,
        *,
        size: int = 128,
        count: int | None = None,
        seed: int = 0,
        transform: SampleTransform | None = None,
        cache: bool = False,
    ) -> None:
        super().__init__(split, transform)
        if split not in COUNTS:
            raise ConfigError(
                f"{self.name} has no split '{split}'.{suggest(split, COUNTS)} It has {', '.join(COUNTS)}."
            )
        count = COUNTS[split] if count is None else count
        check_least(f"The option {{}} of {self.name}", size=(size, MIN_SIZE), count=(count, 1), seed=(seed, 0))
        self.size, self.count, self.seed = size, count, seed
        self._cache: dict[int, Drawing] | None = {} if cache else None
        self.prepare()

    def prepare(self) -> None:
        """Load what drawing needs, so that it is missed now rather than at the first image; most need nothing."""

    @abstractmethod
    def draw(self, index: int) -> Drawing:
        """Image `index`, always the same."""

    @abstractmethod
    def draw_labels(self, index: int) -> NDArray[np.float32]:
        """(K,) the labels of `draw(index)`, without drawing it."""

    def __len__(self) -> int:
        return self.count

    @property
    def stream_seed(self) -> int:
        """The seed of this split's random streams; different for every (seed, split)."""
        return self.seed * len(COUNTS) + list(COUNTS).index(self.split)

    def load(self, index: int) -> Sample:
        """Draw image `index`, or take it from the cache: (1, size, size) uint8, labels, boxes."""
        drawing = self._cache.get(index) if self._cache is not None else None
        if drawing is None:
            drawing = self.draw(index)
            if self._cache is not None:
                self._cache[index] = drawing
        return Sample(
            image=torch.from_numpy(drawing.image.copy())[None],
            target=torch.from_numpy(drawing.labels.copy()),
            boxes=torch.from_numpy(drawing.boxes.copy()),
            patient=f"{self.split}-{index}",
            path=f"{self.name}/{self.split}/{index:06d}",
        )

    def targets(self) -> Tensor:
        """(count, K) float32 of 0 and 1, without drawing."""
        return torch.from_numpy(np.stack([self.draw_labels(index) for index in range(self.count)]))

    @property
    def patients(self) -> list[str]:
        """One patient an image."""
        return [f"{self.split}-{index}" for index in range(self.count)]
