"""Logits of many classes without keeping their maps, and the maps of those that somebody asks for.

A thousand maps of a 256-pixel image are 16 MB. Logits need each map once, pooled; so the head makes some at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.models.heads import ConvHead

AT_ONCE = 128
"""Maps of an image that are in memory at a time."""


def some_maps(head: ConvHead, features: Tensor, classes: Tensor | slice) -> Tensor:
    """Heatmaps (N, k, h, w), float32, of some classes (indices or a slice), from features (N, C, h, w).

    Example:
        >>> some_maps(ConvHead(8, 20), torch.zeros(1, 8, 4, 4), slice(3, 5)).shape
        torch.Size([1, 2, 4, 4])
    """
    return F.conv2d(features, head.weight[classes], head.bias[classes], padding=head.padding).float()


def pooled_logits(head: ConvHead, features: Tensor, pooling: nn.Module) -> Tensor:
    """Logits (N, K) of all classes, each map pooled as soon as it is made.

    Example:
        >>> from pylon_zoo.models.pooling import MaxPooling
        >>> pooled_logits(ConvHead(8, 200), torch.zeros(1, 8, 4, 4), MaxPooling()).shape
        torch.Size([1, 200])
    """
    return torch.cat([pooling(some_maps(head, features, part)) for part in _parts(head.out_channels)], dim=1)


def _parts(classes: int) -> Iterator[slice]:
    return (slice(start, start + AT_ONCE) for start in range(0, classes, AT_ONCE))
