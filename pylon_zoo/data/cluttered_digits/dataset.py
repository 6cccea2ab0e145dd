"""Cluttered digits as a dataset with labels, boxes and splits."""

from __future__ import annotations

from pylon_zoo.data.cluttered_digits.glyphs import CLASSES, glyphs
from pylon_zoo.data.cluttered_digits.render import render, sample_labels
from pylon_zoo.data.drawing import Array
from pylon_zoo.data.drawn import Drawing, DrawnDataset

MEAN = 0.325
"""Mean of grey values in [0, 1], measured over the first 500 train images of seed 0 at 128 px."""
STD = 0.135
"""Their standard deviation."""


class ClutteredDigits(DrawnDataset):
    """Handwritten digits among strokes and fragments of digits, with their boxes: no download, but scikit-learn.

    Args:
        split: `"train"`, `"val"` or `"test"`; no image, and no handwritten digit, is in two of them.
        size: side of the images in pixels, at least 32.
        count: number of images; by default 4000, 500 and 1000. More images keep the first ones as they were.
        seed: of the whole collection, not negative.
        transform: `Sample -> Sample`.
        cache: keep every image once drawn, at size² bytes each (128 px, 4000 images: 66 MB), so that later epochs do
            not draw it again. Each worker process of a loader has its own cache.

    Raises:
        ConfigError: unknown split, or a size, count or seed that is too small.
        MissingDependencyError: scikit-learn, which brings the digits, is not installed.

    Example:
        >>> data = ClutteredDigits("test", size=64, count=2)
        >>> data[0].image.shape, data.targets().shape
        (torch.Size([1, 64, 64]), torch.Size([2, 10]))
    """

    name = "cluttered_digits"
    classes = CLASSES

    def prepare(self) -> None:
        """Load the digits."""
        glyphs()

    def draw(self, index: int) -> Drawing:
        """Picture `index`."""
        return render(self.stream_seed, index, self.size)

    def draw_labels(self, index: int) -> Array:
        """(10,) the digits of picture `index`."""
        return sample_labels(self.stream_seed, index)
