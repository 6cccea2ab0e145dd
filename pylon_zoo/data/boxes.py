"""Bounding boxes: the one convention, and the little arithmetic that goes with it.

A box is a row of a float32 tensor (M, 5): class index, x0, y0, x1, y1, in pixels of the image it travels with (x to the
right, y down, an image W wide spans 0 to W). Geometry treats the coordinates as continuous. Whether a pixel lies in a
box is decided as the paper's evaluation does it, with the pixel's column and row and a *closed* interval:
x0 ≤ column ≤ x1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Corner and extent → two corners.

    Args:
        boxes: (..., 4), x, y, width, height.

    Returns:
        (..., 4), x0, y0, x1, y1.

    Example:
        >>> xywh_to_xyxy(torch.tensor([10.0, 20.0, 5.0, 6.0]))
        tensor([10., 20., 15., 26.])
    """
    corner, extent = boxes[..., :2], boxes[..., 2:]
    return torch.cat([corner, corner + extent], dim=-1)


def scale_boxes(boxes: Tensor, from_size: tuple[int, int], to_size: tuple[int, int]) -> Tensor:
    """The same boxes on the same picture at another size.

    Args:
        boxes: (M, 5) in pixels of an image of `from_size`.
        from_size: height and width.
        to_size: height and width.

    Returns:
        (M, 5) in pixels of `to_size`; `boxes` is left alone.

    Example:
        >>> scale_boxes(torch.tensor([[3.0, 0.0, 0.0, 512.0, 1024.0]]), (1024, 1024), (256, 384))
        tensor([[  3.,   0.,   0., 192., 256.]])
    """
    down, across = to_size[0] / from_size[0], to_size[1] / from_size[1]
    return boxes * boxes.new_tensor([1, across, down, across, down])


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The part of each box that lies on the image.

    Args:
        boxes: (M, 5).
        size: the image's height and width.

    Returns:
        (M, 5); a box entirely outside collapses onto the border, with no area.

    Example:
        >>> clip_boxes(torch.tensor([[0.0, -4.0, 2.0, 6.0, 12.0]]), (10, 10))
        tensor([[ 0.,  0.,  2.,  6., 10.]])
    """
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return torch.cat([boxes[:, :1], boxes[:, 1:].clamp(min=0).minimum(limits)], dim=1)


def box_areas(boxes: Tensor) -> Tensor:
    """Areas in square pixels, (M,) for boxes (M, 5).

    Example:
        >>> box_areas(torch.tensor([[0.0, 1.0, 1.0, 4.0, 3.0]]))
        tensor([6.])
    """
    return (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2])


def box_area_fractions(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Areas as fractions of the image's, (M,) for boxes (M, 5) on an image of `size` (height, width).

    Example:
        >>> box_area_fractions(torch.tensor([[0.0, 0.0, 0.0, 5.0, 5.0]]), (10, 10))
        tensor([0.2500])
    """
    return box_areas(boxes) / (size[0] * size[1])


def contains(boxes: Tensor, class_index: int, x: float, y: float) -> bool:
    """Whether any box of a class holds the pixel in column x and row y, borders included.

    Args:
        boxes: (M, 5).
        class_index: the class whose boxes count.
        x: column.
        y: row.

    Example:
        >>> box = torch.tensor([[2.0, 10.0, 10.0, 20.0, 20.0]])
        >>> contains(box, 2, 20, 10), contains(box, 2, 21, 10), contains(box, 1, 15, 15)
        (True, False, False)
    """
    of_class = boxes[boxes[:, 0] == class_index]
    point = of_class.new_tensor([x, y])
    return bool(((of_class[:, 1:3] <= point) & (point <= of_class[:, 3:5])).all(dim=1).any())
