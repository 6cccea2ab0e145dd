"""From a sample as stored to a sample a model takes: size, augmentation, channels, normalisation; boxes follow.

Everything happens in float32 in [0, 1], whatever the image came as, so that 8-bit and 16-bit sources take one path. An
image is squashed to the model's size, never cropped, as in the paper. Cubic interpolation overshoots at edges; the
result is clamped to [0, 1], which is what 8-bit image libraries do without saying so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from pylon_zoo.data.boxes import box_areas, clip_boxes, scale_boxes
from pylon_zoo.data.images import to_channels
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest

# timm's words; "nearest" is Pillow's, which torchvision calls exact.
INTERPOLATIONS = {
    "nearest": InterpolationMode.NEAREST_EXACT,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}


class BrightnessContrast(v2.Transform):
    """pixel → contrast · pixel + brightness, both drawn per image; boxes stay.

    Brightness is added, as in albumentations, which the paper's code uses; torchvision's `ColorJitter` multiplies.

    Args:
        limit: contrast is uniform in 1 ± limit, brightness in ± limit (of the full range 1).
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw contrast and brightness from torch's generator."""
        contrast, brightness = torch.empty(2).uniform_(-self.limit, self.limit).tolist()
        return {"contrast": 1 + contrast, "brightness": brightness}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change an image in [0, 1], clamped to it; leave anything else."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        changed = (inpt * params["contrast"] + params["brightness"]).clamp(0, 1)
        return tv_tensors.wrap(changed, like=inpt)


def _none(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    return [v2.Resize(size, **resampling)]


def _flip(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    return [v2.Resize(size, **resampling), v2.RandomHorizontalFlip(), BrightnessContrast(0.1)]


def _affine(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    """Findings stay in the picture, but no longer where they were: a map cannot learn a place instead of a finding."""
    moved = v2.RandomAffine(10, translate=(0.12, 0.12), scale=(0.8, 1.1), interpolation=InterpolationMode.BILINEAR)
    return [*_flip(size, **resampling), moved]


def _xray(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    """What the paper's training code does to radiographs, but rotated linearly: torchvision has no cubic rotation."""
    return [
        v2.RandomApply([v2.RandomRotation(90, InterpolationMode.BILINEAR)], p=0.5),
        v2.RandomResizedCrop(size, scale=(0.7, 1.0), ratio=(3 / 4, 4 / 3), **resampling),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([BrightnessContrast(0.5)], p=0.5),
    ]


AUGMENTATIONS: dict[str, Callable[..., list[v2.Transform]]] = {
    "none": _none,
    "flip": _flip,
    "affine": _affine,
    "xray": _xray,
}


@dataclass(frozen=True)
class _Transform:
    """What both transforms share: the options, their checks, and both ends of the way."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    antialias: bool = True

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

    def _begin(self, image: Tensor) -> Tensor:
        """Float, with no more channels than needed: repeating grey can wait until the image is small."""
        image = v2.functional.to_dtype(image, torch.float32, scale=True)
        return image if self.in_chans > image.shape[0] else to_channels(image, self.in_chans)

    def _masks(self, masks: Tensor | None) -> Tensor | None:
        """Masks at the model's size, of the pixels nearest."""
        if masks is None:
            return None
        return v2.functional.resize(tv_tensors.Mask(masks), list(self.size)).as_subclass(Tensor)

    def _finish(self, image: Tensor) -> Tensor:
        image = to_channels(image.clamp(0, 1), self.in_chans)
        return v2.functional.normalize(image, list(self.mean), list(self.std))


@dataclass(frozen=True)
class EvalTransform(_Transform):
    """Resize and normalise: what a model sees at validation, test and prediction.

    Args:
        size: height and width the model takes, in pixels.
        mean: one entry per input channel of the model, of pixels in [0, 1].
        std: likewise.
        interpolation: `"bicubic"`, `"bilinear"` or `"nearest"`.
        antialias: low-pass before shrinking, as Pillow and timm do; False is OpenCV's behaviour, and the paper's.

    Raises:
        ConfigError: an option makes no sense, or (when called) an image has channels the model cannot take.

    Example:
        >>> transform = EvalTransform((32, 48), mean=(0.5,), std=(0.25,))
        >>> transform.image(torch.zeros(3, 100, 90, dtype=torch.uint8)).shape
        torch.Size([1, 32, 48])
    """

    def __call__(self, sample: Sample) -> Sample:
        """A sample with a raw image (C, H, W) → the same with image (in_chans, *size) and boxes in its pixels."""
        boxes = scale_boxes(sample.boxes, tuple(sample.image.shape[-2:]), self.size)
        return replace(sample, image=self.image(sample.image), boxes=boxes, masks=self._masks(sample.masks))

    def image(self, image: Tensor) -> Tensor:
        """Just the image.

        Args:
            image: (C, H, W) with C 1 or 3, uint8 or floating point in [0, 1].

        Returns:
            (in_chans, *size) float32, normalised.
        """
        resized = v2.functional.resize(self._begin(image), list(self.size), **self._resampling)
        return self._finish(resized)


@dataclass(frozen=True)
class TrainTransform(_Transform):
    """Augment and normalise, drawing from torch's global generator (`torch.manual_seed`, a worker's own seed).

    Boxes move with the image; one of which less than `min_visibility` of the area is left is dropped. Labels stay.

    Args:
        size: as in `EvalTransform`, and so the next four.
        mean: see there.
        std: see there.
        interpolation: see there.
        antialias: see there.
        augmentation: `"none"`; `"flip"`, mirrored half the time and brightness and contrast off by up to a tenth;
            `"affine"`, that and rotated by up to 10°, shifted by up to 12 % and scaled by 0.8 to 1.1, on black;
            or `"xray"`, the paper's for radiographs: half the time rotated by up to ±90° on black, a crop of 70 to
            100 % of the area, mirrored half the time, half the time brightness and contrast off by up to a half.
        min_visibility: in [0, 1], of a box's area after rotation.

    Raises:
        ConfigError: an option makes no sense.
        UnknownNameError: no such augmentation.

    Example:
        >>> transform = TrainTransform((32, 32), mean=(0.5,), std=(0.25,), augmentation="xray")
        >>> transform(Sample(torch.zeros(1, 64, 64), torch.zeros(2))).image.shape
        torch.Size([1, 32, 32])
    """

    augmentation: str = "flip"
    min_visibility: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.augmentation not in AUGMENTATIONS:
            raise UnknownNameError(
                f"Unknown augmentation '{self.augmentation}': one of {', '.join(AUGMENTATIONS)}."
                f"{suggest(self.augmentation, AUGMENTATIONS)}"
            )
        if not 0 <= self.min_visibility <= 1:
            raise ConfigError(f"min_visibility={self.min_visibility} must lie in [0, 1].")
        steps = AUGMENTATIONS[self.augmentation](self.size, **self._resampling)
        object.__setattr__(self, "_augment", v2.Compose(steps))

    def __call__(self, sample: Sample) -> Sample:
        """A sample with a raw image (C, H, W) → the same with image (in_chans, *size) and the boxes still visible."""
        image = tv_tensors.Image(self._begin(sample.image))
        # Unclamped: what has left the picture must still count when asking how much of a box has.
        corners = tv_tensors.BoundingBoxes(
            sample.boxes[:, 1:], format="XYXY", canvas_size=tuple(image.shape[-2:]), clamping_mode=None
        )
        masks = None if sample.masks is None else tv_tensors.Mask(sample.masks)
        image, corners, masks = self._augment(image, corners, masks)
        moved = torch.cat([sample.boxes[:, :1], corners.as_subclass(Tensor)], dim=1)
        return replace(
            sample,
            image=self._finish(image.as_subclass(Tensor)),
            boxes=self._visible(moved),
            masks=None if masks is None else masks.as_subclass(Tensor),
        )

    def _visible(self, boxes: Tensor) -> Tensor:
        whole, clipped = box_areas(boxes), clip_boxes(boxes, self.size)
        return clipped[(whole > 0) & (box_areas(clipped) >= self.min_visibility * whole)]
