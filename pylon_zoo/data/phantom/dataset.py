"""Phantoms as a dataset with labels, boxes and splits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.phantom.findings import CLASSES
from pylon_zoo.data.phantom.render import MIN_SIZE, Phantom, render, sample_labels
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, suggest

# Grey values in [0, 1], measured over the first 500 train images of seed 0 at 128 px.
MEAN = 0.517
STD = 0.285

COUNTS = {"train": 4000, "val": 500, "test": 1000}


class PhantomCxr(LabelledDataset):
    """Synthetic chest radiographs with findings and their boxes: no download, no patients, no medical use.

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

    Example:
        >>> data = PhantomCxr("test", size=64, count=2)
        >>> data[0].image.shape, data.targets().shape
        (torch.Size([1, 64, 64]), torch.Size([2, 8]))
    """

    name = "phantom_cxr"
    classes = CLASSES
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
                f"phantom_cxr has no split '{split}'.{suggest(split, COUNTS)} It has {', '.join(COUNTS)}."
            )
        count = COUNTS[split] if count is None else count
        for what, value, least in (("size", size, MIN_SIZE), ("count", count, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"The option {what} of phantom_cxr must be at least {least}, got {value}.")
        self.size, self.count, self.seed = size, count, seed
        self._cache: dict[int, Phantom] | None = {} if cache else None

    def __len__(self) -> int:
        return self.count

    @property
    def stream_seed(self) -> int:
        """The seed to give `render` for this split; different for every (seed, split)."""
        return self.seed * len(COUNTS) + list(COUNTS).index(self.split)

    def load(self, index: int) -> Sample:
        """Draw image `index`, or take it from the cache: (1, size, size) uint8, labels, boxes."""
        phantom = self._cache.get(index) if self._cache is not None else None
        if phantom is None:
            phantom = render(self.stream_seed, index, self.size)
            if self._cache is not None:
                self._cache[index] = phantom
        return Sample(
            image=torch.from_numpy(phantom.image.copy())[None],
            target=torch.from_numpy(phantom.labels.copy()),
            boxes=torch.from_numpy(phantom.boxes.copy()),
            patient=f"{self.split}-{index}",
            path=f"{self.name}/{self.split}/{index:06d}",
        )

    def targets(self) -> Tensor:
        """(count, K) float32 of 0 and 1, without drawing."""
        return torch.from_numpy(np.stack([sample_labels(self.stream_seed, index) for index in range(self.count)]))

    @property
    def patients(self) -> list[str]:
        """One patient an image."""
        return [f"{self.split}-{index}" for index in range(self.count)]
