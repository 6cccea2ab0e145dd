"""What is done to training images: each augmentation by name, with what it means for boxes and labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import query_size


@dataclass(frozen=True)
class Tone:
    """What augmentation has done to brightness: pixel → contrast · pixel + brightness.

    Given to the steps in an image's place, it comes back as what they would have done to the image.
    """

    contrast: float = 1.0
    brightness: float = 0.0

    def then(self, contrast: float, brightness: float) -> Tone:
        """After one more change."""
        return Tone(contrast * self.contrast, contrast * self.brightness + brightness)


class BrightnessContrast(v2.Transform):  # type: ignore[misc]  # torchvision ships no types
    """pixel → contrast · pixel + brightness, both drawn per image; boxes stay.

    Brightness is added, as in albumentations, which the paper's code uses; torchvision's `ColorJitter` multiplies.

    Args:
        limit: contrast is uniform in 1 ± limit, brightness in ± limit (of the full range 1).
    """

    _transformed_types = (*v2.Transform._transformed_types, Tone)

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw contrast and brightness from torch's generator."""
        contrast, brightness = torch.empty(2).uniform_(-self.limit, self.limit).tolist()
        return {"contrast": 1 + contrast, "brightness": brightness}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change an image in [0, 1], clamped to it, or a tone; leave anything else."""
        if isinstance(inpt, Tone):
            return inpt.then(**params)
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        changed = (inpt * params["contrast"] + params["brightness"]).clamp(0, 1)
        return tv_tensors.wrap(changed, like=inpt)


class Motion(v2.Transform):  # type: ignore[misc]  # torchvision ships no types
    """Scale, mirror, turn by quarters and shift, in one linear interpolation, with reflected edges; boxes follow.

    What comes into the picture at an edge is the picture itself, mirrored, so that no black margin tells the network
    what was done; a finding that is seen twice there keeps its one box.

    Args:
        scale: size is uniform in 1 ± scale.
        shift: of the centre, uniform in ± shift of the side, on both axes.
        mirrors: chances of left for right, and of top for bottom.
        turns: by how many quarters to turn at random, 1 for none; a picture that is not square takes half turns only.

    Example:
        >>> Motion(0.15, 0.05, mirrors=(0.5, 0.5), turns=4)(tv_tensors.Image(torch.zeros(1, 8, 8))).shape
        torch.Size([1, 8, 8])
    """

    def __init__(self, scale: float, shift: float, mirrors: tuple[float, float] = (0.5, 0.0), turns: int = 1) -> None:
        super().__init__()
        self.scale, self.shift, self.mirrors, self.turns = scale, shift, mirrors, turns

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the map from the result's places to the picture's, both from -1 to 1 across and down."""
        height, width = query_size(flat_inputs)
        scale, *shift = torch.empty(3).uniform_(-1, 1).tolist()
        mirrored = (torch.rand(2) < torch.tensor(self.mirrors)).tolist()
        quarters = int(torch.randint(self.turns, ()))
        if height != width:
            quarters -= quarters % 2
        matrix = torch.diag(torch.tensor([-1.0 if one else 1.0 for one in mirrored]))
        matrix = matrix @ torch.matrix_power(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), quarters)
        return {"matrix": matrix / (1 + scale * self.scale), "shift": torch.tensor(shift) * 2 * self.shift}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Move an image, masks or boxes; leave anything else."""
        matrix, shift = params["matrix"], params["shift"]
        if isinstance(inpt, tv_tensors.BoundingBoxes):
            height, width = inpt.canvas_size
            half = torch.tensor([width, height]) / 2
            corners = (inpt.as_subclass(Tensor).view(-1, 2, 2) / half - 1 - shift) @ torch.linalg.inv(matrix).T
            corners = (corners + 1) * half
            return tv_tensors.wrap(torch.cat([corners.amin(1), corners.amax(1)], dim=1), like=inpt)
        if not isinstance(inpt, tv_tensors.Image | tv_tensors.Mask):
            return inpt
        theta = torch.cat([matrix, shift[:, None]], dim=1)[None]
        grid = functional.affine_grid(theta, [1, 1, *inpt.shape[-2:]], align_corners=False)
        mode = "bilinear" if isinstance(inpt, tv_tensors.Image) else "nearest"
        pixels = inpt.as_subclass(Tensor)[None].float()
        moved = functional.grid_sample(pixels, grid, mode=mode, padding_mode="reflection", align_corners=False)[0]
        return tv_tensors.wrap(moved.to(inpt.dtype), like=inpt)


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


def _upright(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    """For pictures with a top and a bottom: photographs, radiographs."""
    return [v2.Resize(size, **resampling), Motion(0.15, 0.05), BrightnessContrast(0.1)]


def _any(size: tuple[int, int], **resampling: Any) -> list[v2.Transform]:
    """For pictures that may be held any way: from above, through a microscope."""
    return [v2.Resize(size, **resampling), Motion(0.15, 0.05, mirrors=(0.5, 0.5), turns=4), BrightnessContrast(0.1)]


class Canvas(NamedTuple):
    """How a GPU does an augmentation: from a picture of a size that is the same for all, in one linear interpolation.

    Args:
        side: of the picture, of the result's: above 1 where most of what is shown is cut out of it.
        edges: what comes into the picture, as in `pylon_zoo.data.finish.Change`.
        tone_first: whether the steps change brightness before they move.
    """

    side: float = 1.0
    edges: str = "zeros"
    tone_first: bool = False


class Augmentation(NamedTuple):
    """A line of the table of augmentations.

    Args:
        steps: called with the size (height, width), `interpolation` and `antialias`; gives torchvision transforms.
        relabels: whether a class whose boxes have all left the picture becomes absent.
        min_visibility: a box with less than this share of its area left has left the picture.
        canvas: how the steps are done at once on the model's device; None where they can't.
    """

    steps: Callable[..., list[v2.Transform]]
    relabels: bool = False
    min_visibility: float = 0.5
    canvas: Canvas | None = None


AUGMENTATIONS = {
    "none": Augmentation(_none, canvas=Canvas()),
    "flip": Augmentation(_flip, canvas=Canvas()),
    "affine": Augmentation(_affine, canvas=Canvas(tone_first=True)),
    "xray": Augmentation(_xray, canvas=Canvas(side=1.25)),
    "upright": Augmentation(_upright, canvas=Canvas(edges="reflection")),
    "any": Augmentation(_any, canvas=Canvas(edges="reflection")),
    "voc": Augmentation(_voc, relabels=True, min_visibility=0.0),
}
"""Name, as `data.augmentation` of a recipe takes it → what is done to training images, boxes and masks alike."""
