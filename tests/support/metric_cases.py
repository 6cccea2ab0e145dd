"""Heatmaps with boxes for the tests of localization metrics."""

from __future__ import annotations

import torch
from torch import Tensor

SIZE = (11, 13)
CLASSES = 3
NONE = torch.zeros(0, 5)


def box(label: int, x0: float, y0: float, x1: float, y1: float) -> Tensor:
    """One box as a (1, 5) tensor."""
    return torch.tensor([[label, x0, y0, x1, y1]], dtype=torch.float32)


def random_case(seed: int, images: int = 7, coarse: tuple[int, int] = (5, 4)) -> tuple[Tensor, list[Tensor]]:
    """Heatmaps (N, 3, 5, 4) without ties, and 0 to 4 boxes with whole corners each, on `SIZE`."""
    generator = torch.Generator().manual_seed(seed)
    heatmaps = torch.randn(images, CLASSES, *coarse, generator=generator)
    boxes = []
    for count in torch.randint(0, 5, (images,), generator=generator).tolist():
        corners = torch.rand(count, 4, generator=generator) * torch.tensor([12.0, 10.0, 12.0, 10.0])
        low, high = torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])
        labels = torch.randint(0, CLASSES, (count, 1), generator=generator).float()
        boxes.append(torch.cat([labels, low.round(), high.round()], dim=1))
    return heatmaps, boxes


def masks_of(boxes: list[Tensor], classes: int = CLASSES, size: tuple[int, int] = SIZE) -> Tensor:
    """(N, K, H, W) bool, pixel by pixel."""
    masks = torch.zeros(len(boxes), classes, *size, dtype=torch.bool)
    for image, rows in enumerate(boxes):
        for label, x0, y0, x1, y1 in rows.tolist():
            for y in range(size[0]):
                for x in range(size[1]):
                    masks[image, int(label), y, x] |= x0 <= x <= x1 and y0 <= y <= y1
    return masks


def random_masks(seed: int, images: int = 7) -> Tensor:
    """(N, 3, *SIZE) bool, blots that are no boxes."""
    coarse = torch.randn(images, CLASSES, 4, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear") > 0.3


def flip(heatmaps: Tensor, boxes: list[Tensor], vertical: bool) -> tuple[Tensor, list[Tensor]]:
    """The same pictures mirrored, left to right or upside down."""
    low, high, last = (2, 4, SIZE[0] - 1) if vertical else (1, 3, SIZE[1] - 1)
    flipped = []
    for rows in boxes:
        mirrored = rows.clone()
        mirrored[:, low], mirrored[:, high] = last - rows[:, high], last - rows[:, low]
        flipped.append(mirrored)
    return heatmaps.flip(2 if vertical else 3), flipped
