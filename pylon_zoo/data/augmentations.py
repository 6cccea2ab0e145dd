"""What is done to training images: each augmentation by name, with what it means for boxes and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2


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


def _voc(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    """What the paper's training code does to Pascal VOC, but rotated linearly, as above.

    The detour over twice the size keeps a crop of half the area from being enlarged.
    """
    height, width = size
    aspect = width / height
    crop = v2.RandomResizedCrop(size, scale=(0.5, 1.0), ratio=(aspect, aspect), **resampling)
    return [
        v2.RandomApply([v2.RandomRotation(10, InterpolationMode.BILINEAR)], p=0.5),
        v2.Resize((2 * height, 2 * width), **resampling),
        v2.RandomApply([crop], p=0.5),
        v2.Resize(size, **resampling),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.2, 0.2, 0.2, 0.2)], p=0.5),
    ]


class Augmentation(NamedTuple):
    """A line of the table of augmentations.

    Args:
        steps: called with the size (height, width), `interpolation` and `antialias`; gives torchvision transforms.
        relabels: whether a class whose boxes have all left the picture becomes absent.
        min_visibility: a box with less than this share of its area left has left the picture.
    """

    steps: Callable[..., list[v2.Transform]]
    relabels: bool = False
    min_visibility: float = 0.5


AUGMENTATIONS = {
    "none": Augmentation(_none),
    "flip": Augmentation(_flip),
    "affine": Augmentation(_affine),
    "xray": Augmentation(_xray),
    "voc": Augmentation(_voc, relabels=True, min_visibility=0.0),
}
