"""From a sample as stored to a sample a model takes: size, augmentation, channels, normalisation; boxes follow.

Everything happens in float32 in [0, 1], whatever the image came as, so that 8-bit and 16-bit sources take one path. An
image is squashed to the model's size, never cropped, as in the paper. Cubic interpolation overshoots at edges; the
result is clamped to [0, 1], which is what 8-bit image libraries do without saying so.

With `normalize=False` pixels leave as they are, those of 8 bits that nothing changes as such, and what is left to do
goes with them: `Batch.model_input` does it on the model's device, on a CPU to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from pylon_zoo.cells import both
from pylon_zoo.data.augmentations import AUGMENTATIONS
from pylon_zoo.data.boxes import box_areas, clip_boxes, scale_boxes
from pylon_zoo.data.finish import Finish
from pylon_zoo.data.images import to_channels
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

# timm's words; "nearest" is Pillow's, which torchvision calls exact.
INTERPOLATIONS = {
    "nearest": InterpolationMode.NEAREST_EXACT,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}


@dataclass(frozen=True)
class _Transform:
    """What both transforms share: the options, their checks, and both ends of the way."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    antialias: bool = True
    normalize: bool = True

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.size) != 2 or not all(isinstance(side, int) and side > 0 for side in self.size):
            raise ConfigError(f"size={self.size} must be (height, width) in whole pixels, at least 1 each.")
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise ConfigError(
                f"mean={self.mean} and std={self.std} must have one entry per channel of the model, std above 0."
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f"Unknown interpolation '{self.interpolation}': one of {', '.join(INTERPOLATIONS)}."
                f"{suggest(self.interpolation, INTERPOLATIONS)}"
            )

    @property
    def in_chans(self) -> int:
        """The channels of the model this feeds."""
        return len(self.mean)

    @property
    def _resampling(self) -> dict[str, Any]:
        return {"interpolation": INTERPOLATIONS[self.interpolation], "antialias": self.antialias}

    def _stays(self, size: tuple[int, int]) -> bool:
        """Whether an image of (height, width) keeps its pixels."""
        return size == self.size

    def _begin(self, image: Tensor) -> Tensor:
        """Float, with no more channels than needed: repeating grey can wait until the image is small.

        8-bit pixels stay what they are where they will leave so.
        """
        bytes_leave = image.dtype == torch.uint8 and not self.normalize and self.in_chans >= image.shape[0]
        if bytes_leave and self._stays(both(image.shape[-2:])):
            return image
        image = v2.functional.to_dtype(image, torch.float32, scale=True)
        return image if self.in_chans > image.shape[0] else to_channels(image, self.in_chans)

    def _masks(self, masks: Tensor | None) -> Tensor | None:
        """Masks at the model's size, of the pixels nearest."""
        if masks is None:
            return None
        resized: Tensor = v2.functional.resize(tv_tensors.Mask(masks), list(self.size)).as_subclass(Tensor)
        return resized

    def _finish(self, image: Tensor) -> tuple[Tensor, Finish | None]:
        """The image as it leaves, and what is left to do to it."""
        pixels = to_channels(image if image.dtype == torch.uint8 else image.clamp(0, 1), self.in_chans)
        finish = Finish(self.mean, self.std)
        return (finish(pixels), None) if self.normalize else (pixels, finish)


@dataclass(frozen=True)
class EvalTransform(_Transform):
    """Resize and normalise: what a model sees at validation, test and prediction.

    Args:
        size: height and width the model takes, in pixels.
        mean: one entry per input channel of the model, of pixels in [0, 1].
        std: likewise.
        interpolation: `"bicubic"`, `"bilinear"` or `"nearest"`.
        antialias: low-pass before shrinking, as Pillow and timm do (and their cubic kernel, a = -0.5); False is
            OpenCV's behaviour (a = -0.75), and the paper's.
        normalize: False leaves it to `Batch.model_input`.

    Raises:
        ConfigError: an option makes no sense, or (when called) an image has channels the model cannot take.

    Example:
        >>> transform = EvalTransform((32, 48), mean=(0.5,), std=(0.25,))
        >>> transform.image(torch.zeros(3, 100, 90, dtype=torch.uint8)).shape
        torch.Size([1, 32, 48])
    """

    def __call__(self, sample: Sample) -> Sample:
        """A sample with a raw image (C, H, W) → the same with image (in_chans, *size) and boxes in its pixels."""
        boxes = scale_boxes(sample.boxes, both(sample.image.shape[-2:]), self.size)
        image, finish = self._finish(self._resized(sample.image))
        return replace(sample, image=image, boxes=boxes, masks=self._masks(sample.masks), finish=finish)

    def image(self, image: Tensor) -> Tensor:
        """Just the image.

        Args:
            image: (C, H, W) with C 1 or 3, uint8 or floating point in [0, 1].

        Returns:
            (in_chans, *size) float32, normalised.
        """
        whole = self if self.normalize else replace(self, normalize=True)
        return whole._finish(whole._resized(image))[0]

    def _resized(self, image: Tensor) -> Tensor:
        resized: Tensor = v2.functional.resize(self._begin(image), list(self.size), **self._resampling)
        return resized


@dataclass(frozen=True)
class TrainTransform(_Transform):
    """Augment and normalise, drawing from torch's global generator (`torch.manual_seed`, a worker's own seed).

    Boxes move with the image; one of which nothing, or less than `min_visibility` of the area, is left is dropped.
    Where the augmentation relabels, a class that had boxes and has none left is marked absent; labels without boxes,
    and all labels under the other augmentations, stay.

    Args:
        size: as in `EvalTransform`, and so the next four.
        mean: see there.
        std: see there.
        interpolation: see there.
        antialias: see there.
        normalize: see there.
        augmentation: `"none"`; `"flip"`, mirrored half the time and brightness and contrast off by up to a tenth;
            `"upright"`, that and scaled by 0.85 to 1.15 and shifted by up to 5 %, on reflected edges; `"any"`, that and
            mirrored top for bottom and turned by quarters;
            `"affine"`, `"flip"`'s and rotated by up to 10°, shifted by up to 12 % and scaled by 0.8 to 1.1, on black;
            `"xray"`, the paper's for radiographs: half the time rotated by up to ±90° on black, a crop of 70 to
            100 % of the area, mirrored half the time, half the time brightness and contrast off by up to a half;
            or `"voc"`, the paper's for Pascal VOC: half the time each, rotated by up to ±10° on black, a crop of 50 to
            100 % of the area, mirrored, and brightness, contrast, saturation and hue off by up to a fifth; relabels.
        min_visibility: in [0, 1], of a box's area after rotation; None is the augmentation's own: 0.5, for VOC 0.
        keep_boxes: False gives no boxes, which takes half the time; images and labels are the same.

    Raises:
        ConfigError: an option makes no sense.
        UnknownNameError: no such augmentation.

    Example:
        >>> transform = TrainTransform((32, 32), mean=(0.5,), std=(0.25,), augmentation="xray")
        >>> transform(Sample(torch.zeros(1, 64, 64), torch.zeros(2))).image.shape
        torch.Size([1, 32, 32])
    """

    augmentation: str = "flip"
    min_visibility: float | None = None
    keep_boxes: bool = True
    _relabels: bool = field(init=False, repr=False, compare=False)
    _augment: Callable[..., Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.augmentation not in AUGMENTATIONS:
            raise UnknownNameError(
                f"Unknown augmentation '{self.augmentation}': one of {', '.join(AUGMENTATIONS)}."
                f"{suggest(self.augmentation, AUGMENTATIONS)}"
            )
        chosen = AUGMENTATIONS[self.augmentation]
        least = chosen.min_visibility if self.min_visibility is None else self.min_visibility
        if not 0 <= least <= 1:
            raise ConfigError(f"min_visibility={least} must lie in [0, 1].")
        object.__setattr__(self, "min_visibility", least)
        object.__setattr__(self, "_relabels", chosen.relabels)
        object.__setattr__(self, "_augment", v2.Compose(chosen.steps(self.size, **self._resampling)))

    def _stays(self, size: tuple[int, int]) -> bool:
        return size == self.size and self.augmentation == "none"

    def __call__(self, sample: Sample) -> Sample:
        """A sample with a raw image (C, H, W) → the same with image (in_chans, *size) and the boxes still visible."""
        image = tv_tensors.Image(self._begin(sample.image))
        boxes = sample.boxes if self.keep_boxes or self._relabels else sample.boxes[:0]
        masks = None if sample.masks is None else tv_tensors.Mask(sample.masks)
        if masks is None and not len(boxes):
            image, left = self._augment(image), boxes
        else:
            # Unclamped: what has left the picture must still count when asking how much of a box has.
            corners = tv_tensors.BoundingBoxes(
                boxes[:, 1:], format="XYXY", canvas_size=tuple(image.shape[-2:]), clamping_mode=None
            )
            image, corners, masks = self._augment(image, corners, masks)
            left = self._visible(torch.cat([boxes[:, :1], corners.as_subclass(Tensor)], dim=1))
        pixels, finish = self._finish(image.as_subclass(Tensor))
        return replace(
            sample,
            image=pixels,
            target=_relabel(sample.target, boxes, left) if self._relabels else sample.target,
            boxes=left if self.keep_boxes else left[:0],
            masks=None if masks is None else masks.as_subclass(Tensor),
            finish=finish,
        )

    def _visible(self, boxes: Tensor) -> Tensor:
        whole, clipped = box_areas(boxes), clip_boxes(boxes, self.size)
        left = box_areas(clipped)
        return clipped[(left > 0) & (left >= (self.min_visibility or 0.0) * whole)]


def _relabel(target: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The labels, with 0 for classes that had boxes and have none any more."""
    lost = set(before[:, 0].long().tolist()) - set(after[:, 0].long().tolist())
    target = target.clone()
    target[list(lost)] = 0
    return target
