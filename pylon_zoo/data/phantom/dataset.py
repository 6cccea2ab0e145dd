"""Phantoms as a dataset with labels, boxes and splits."""

from __future__ import annotations

from pylon_zoo.data.drawing import Array
from pylon_zoo.data.drawn import DrawnDataset
from pylon_zoo.data.phantom.findings import CLASSES
from pylon_zoo.data.phantom.render import Phantom, render, sample_labels

MEAN = 0.517
"""Mean of grey values in [0, 1], measured over the first 500 train images of seed 0 at 128 px."""
STD = 0.285
"""Their standard deviation."""


class PhantomCxr(DrawnDataset):
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

    def draw(self, index: int) -> Phantom:
        """Phantom `index`."""
        return render(self.stream_seed, index, self.size)

    def draw_labels(self, index: int) -> Array:
        """(K,) the findings of phantom `index`."""
        return sample_labels(self.stream_seed, index)
