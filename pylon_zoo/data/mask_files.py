"""Masks as image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pylon_zoo.data.images import read_image
from pylon_zoo.errors import DataError

SLACK = 1.5  # pixels by which a mask's height or width may be off, where it is a scaled copy of its image's


def read_mask(path: Path) -> Tensor:
    """Which pixels of a mask's file are set.

    Where the file has values in the upper half of its range, as masks of black and white do, pixels of that half, so
    that a resampled or compressed mask keeps its outline; elsewhere, as in masks of indices, all that are not 0.

    Args:
        path: an image of any format; of colours, the largest channel counts.

    Returns:
        (H, W) bool.

    Raises:
        ImageError: the file is missing or broken.
    """
    values = read_image(path).amax(dim=0)
    half = 127 if values.dtype == torch.uint8 else 0.5
    return values > half if bool((values > half).any()) else values > 0


def stack_masks(files: Mapping[int, Sequence[Path]], classes: int, image: Path, size: tuple[int, int]) -> Tensor:
    """The masks of one image.

    Args:
        files: class → its masks, which are united; a class without one has no pixel.
        classes: K.
        image: the image's file, for the message.
        size: the image's height and width.

    Returns:
        (K, H, W) bool, of the first mask's size; of the image's where there are no files.

    Raises:
        ImageError: a file is missing or broken.
        DataError: a mask has not the image's shape; a scaled copy of it has.
    """
    read = [(index, path, read_mask(path)) for index, paths in files.items() for path in paths]
    masks = torch.zeros(classes, *(read[0][2].shape if read else size), dtype=torch.bool)
    for index, path, mask in read:
        height, width = mask.shape
        apart = min(abs(height - size[0] * width / size[1]), abs(width - size[1] * height / size[0]))
        if apart > SLACK or mask.shape != masks.shape[-2:]:
            raise DataError(
                f"'{path}' is {width} wide and {height} high, but its image '{image}' {size[1]} wide and {size[0]} "
                "high: a mask must have its image's shape. Copy both again."
            )
        masks[index] |= mask
    return masks
