"""Training images for a device that augments: pictures of 8 bits, and beside each what is to be done to it.

The steps are those of `AUGMENTATIONS`, with the same draws: they are given three points in the image's place, and where
these come out says how the image would have moved, however many steps did it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from pylon_zoo.cells import both
from pylon_zoo.data.augmentations import AUGMENTATIONS, Tone
from pylon_zoo.data.finish import Change, Finish
from pylon_zoo.data.images import to_channels
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.transforms import TrainTransform
from pylon_zoo.errors import ConfigError

CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
"""Of a picture, right and down, in shares of its sides: three of them say where all of it goes."""
EXACT = 6
"""Decimals of a map of places from -1 to 1, a ten-thousandth of a pixel: so that a map that changes nothing is one."""


@dataclass(frozen=True)
class CanvasTransform(TrainTransform):
    """Resize to 8 bits, and draw what `Batch.model_input` is to do on the model's device: augment and normalise.

    Drawn are the numbers that `TrainTransform` draws, so the same seed gives the same motion. An image of 8 bits is
    resized as such, to within one of 255 levels; deep images stay float32. There is one linear interpolation after
    that, where `TrainTransform` may have several, or cubic ones.

    Args:
        size: as in `TrainTransform`, and so the next seven. Boxes move along, masks are left out.
        mean: see there.
        std: see there.
        interpolation: of the resizing.
        antialias: likewise.
        normalize: always left to the device.
        augmentation: one with a `canvas` in `AUGMENTATIONS`.
        min_visibility: see there.
        keep_boxes: see there.

    Raises:
        ConfigError: an option makes no sense, or the augmentation is for the loader alone.
        UnknownNameError: no such augmentation.

    Example:
        >>> transform = CanvasTransform((32, 32), mean=(0.5,), std=(0.25,), augmentation="any")
        >>> sample = transform(Sample(torch.zeros(1, 64, 64, dtype=torch.uint8), torch.zeros(2)))
        >>> sample.image.dtype, sample.finish.change.matrices.shape
        (torch.uint8, torch.Size([2, 3]))
    """

    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if AUGMENTATIONS[self.augmentation].canvas is None:
            able = [name for name, one in AUGMENTATIONS.items() if one.canvas]
            raise ConfigError(
                f"Augmentation '{self.augmentation}' cannot be done on the device, as it changes colours step by step: "
                f"set data.augment_on to 'loader', or take one of {', '.join(able)}."
            )

    def __call__(self, sample: Sample) -> Sample:
        """A sample with a raw image (C, H, W) → the same with a picture (in_chans, …) and its `finish`."""
        canvas = AUGMENTATIONS[self.augmentation].canvas
        assert canvas is not None  # as was made sure
        height, width = size = both(sample.image.shape[-2:])
        points = (CORNERS * torch.tensor([width, height])).repeat(1, 2)
        boxes = sample.boxes if self.keep_boxes else sample.boxes[:0]
        moved, tone = self._augment(
            tv_tensors.BoundingBoxes(
                torch.cat([points, boxes[:, 1:]]), format="XYXY", canvas_size=size, clamping_mode=None
            ),
            Tone(),
        )
        moved = moved.as_subclass(Tensor)
        change = Change(
            self.size,
            self._matrix(moved[:3, :2]),
            torch.tensor([tone.contrast, tone.brightness]),
            canvas.edges,
            canvas.tone_first,
        )
        return replace(
            sample,
            image=self._picture(sample.image, [round(side * canvas.side) for side in self.size]),
            boxes=self._visible(torch.cat([boxes[:, :1], moved[3:]], dim=1)) if len(boxes) else boxes,
            masks=None,
            finish=Finish(self.mean, self.std, change if self.augmentation != "none" else None),
        )

    def _matrix(self, corners: Tensor) -> Tensor:
        """(2, 3) from places of the result to places of the picture, of which `CORNERS` are now at these pixels."""
        # In Python's numbers: so few take PyTorch ten times as long, for every image.
        height, width = self.size
        (x0, y0), (x1, y1), (x2, y2) = ((2 * x / width - 1, 2 * y / height - 1) for x, y in corners.tolist())
        a, b, c, d = (x1 - x0) / 2, (x2 - x0) / 2, (y1 - y0) / 2, (y2 - y0) / 2
        middle_x, middle_y, area = (x1 + x2) / 2, (y1 + y2) / 2, a * d - b * c
        rows = [
            [d / area, -b / area, (b * middle_y - d * middle_x) / area],
            [-c / area, a / area, (c * middle_x - a * middle_y) / area],
        ]
        return torch.tensor([[round(value, EXACT) for value in row] for row in rows])

    def _picture(self, image: Tensor, size: list[int]) -> Tensor:
        if image.dtype != torch.uint8:
            image = v2.functional.to_dtype(image, torch.float32, scale=True)
        if image.shape[0] > self.in_chans:
            image = to_channels(image, self.in_chans)
        picture = v2.functional.resize(image, size, **self._resampling)
        return to_channels(picture if picture.dtype == torch.uint8 else picture.clamp(0, 1), self.in_chans)
