"""PYLON's heatmap with the head before the upsampling: K channels are resized and added up instead of 128.

The decoder is linear after its laterals, so head(upsample(a) + b) = upsample(head(a)) + head_without_bias(b), exactly.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.pylon_decoder import PylonDecoder


class HeadFirstDecoder(nn.Module):
    """A PYLON decoder and its 1×1 head in one: pyramid → raw class logits.

    Args:
        decoder, head: the model's own; shared, not copied.

    Example:
        >>> import torch
        >>> decoder = HeadFirstDecoder(PylonDecoder([8, 4], width=16), ConvHead(16, 3))
        >>> decoder([torch.zeros(1, 8, 2, 2), torch.zeros(1, 4, 4, 4)]).shape
        torch.Size([1, 3, 4, 4])
    """

    def __init__(self, decoder: PylonDecoder, head: ConvHead) -> None:
        super().__init__()
        self.attention = decoder.attention
        self.upsampling = decoder.upsampling
        self.head = head

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid of maps, coarse to fine, to heatmaps (N, K, h, w) at the finest size used."""
        out = self.begin(pyramid[0])
        for level, (up, maps) in enumerate(zip(self.upsampling, pyramid[1:], strict=False)):
            lateral = self.lateral(level, maps)
            out = lateral + up.bring(out, lateral)
        return out

    def begin(self, coarsest: Tensor) -> Tensor:
        """The coarsest map's heatmaps, with the head's bias."""
        out: Tensor = self.head(self.attention(coarsest))
        return out

    def lateral(self, level: int, maps: Tensor) -> Tensor:
        """What the map of a finer level, counted from 0, adds to the heatmaps at its own size."""
        return F.conv2d(self.upsampling[level].lateral(maps), self.head.weight)


def with_head_first(model: HeatmapClassifier) -> HeadFirstDecoder | None:
    """A model's decoder and head in one; None where they do not commute, or where that is not less work.

    It is where there are fewer classes than channels.
    """
    if (
        isinstance(model.decoder, PylonDecoder)
        and isinstance(model.head, ConvHead)
        and model.head.kernel_size == (1, 1)
        and model.num_classes < model.num_features
    ):
        return HeadFirstDecoder(model.decoder, model.head)
    return None
