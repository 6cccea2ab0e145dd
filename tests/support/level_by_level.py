"""Regions and MaxBoxAccV2 as they were first written: mask by mask, level by level, joined in a Python loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def boxes_of_regions(mask: Tensor, diagonal: bool = True) -> Tensor:
    """(R, 4) int64 boxes of the connected regions of one (H, W) bool mask, in the order of their first pixels."""
    width = mask.shape[1]
    steps = np.diff(np.pad(mask.numpy().astype(np.int8), ((0, 0), (1, 1))), axis=1).ravel()
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    lines, first, last = starts // (width + 1), starts % (width + 1), ends % (width + 1) - 1
    reach, stride = int(diagonal), width + 3
    begin = np.searchsorted(lines * stride + last, (lines - 1) * stride + first - reach)
    stop = np.searchsorted(lines * stride + first, (lines - 1) * stride + last + reach, side="right")
    parent = list(range(len(lines)))

    def root(run: int) -> int:
        while parent[run] != run:
            run = parent[run]
        return run

    for run, (low, high) in enumerate(zip(begin.tolist(), stop.tolist(), strict=True)):
        for above in range(low, high):
            one, other = root(run), root(above)
            parent[max(one, other)] = min(one, other)
    boxes: dict[int, list[int]] = {}
    for run, (y, x0, x1) in enumerate(zip(lines.tolist(), first.tolist(), last.tolist(), strict=True)):
        box = boxes.setdefault(root(run), [x0, y, x1, y])
        box[:] = min(box[0], x0), min(box[1], y), max(box[2], x1), max(box[3], y)
    return torch.tensor(list(boxes.values()), dtype=torch.int64).view(-1, 4)


def boxes_of_holes(mask: Tensor) -> Tensor:
    """(R, 4) int64 boxes of the rims of the holes of one (H, W) bool mask."""
    boxes = boxes_of_regions(~mask, diagonal=False)
    edge = torch.tensor([mask.shape[1] - 1, mask.shape[0] - 1])
    within = ((boxes[:, :2] > 0) & (boxes[:, 2:] < edge)).all(dim=1)
    return boxes[within] + torch.tensor([-1, -1, 1, 1])


def iou(predicted: Tensor, boxes: Tensor) -> Tensor:
    """(A, B) float64 of closed boxes (A, 4) and (B, 4)."""
    predicted, boxes = predicted.double(), boxes.double()
    low = torch.maximum(predicted[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(predicted[:, None, 2:], boxes[None, :, 2:])
    both = (high - low + 1).clamp(min=0).prod(dim=2)
    area, other = ((one[:, 2:] - one[:, :2] + 1).prod(dim=1) for one in (predicted, boxes))
    return both / (area[:, None] + other - both)


def right_at(image: Tensor, boxes: Tensor, levels: Sequence[int], ious: Sequence[float], closed: bool) -> Tensor:
    """(levels, ious) int64: 1 where any contour of one (H, W) uint8 map above a level is close to any box (B, 4)."""
    rows = []
    for level in levels:
        found = torch.cat([boxes_of_regions(image > level), boxes_of_holes(image > level)])
        if not closed:
            found[:, 2:] = torch.minimum(found[:, 2:] + 1, torch.tensor([image.shape[1] - 1, image.shape[0] - 1]))
        best = iou(found if len(found) else torch.zeros(1, 4), boxes).max()
        rows.append(best >= torch.tensor(ious, dtype=torch.float64))
    return torch.stack(rows).long()
