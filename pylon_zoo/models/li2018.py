"""Li et al. 2018, "Thoracic Disease Identification and Localization with Limited Supervision" (the paper's Li 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, corner_aligned
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.layers import NORMS, ConvNormReLU
from pylon_zoo.models.options import check_option


class GridDecoder(nn.Module):
    """The coarsest map, resampled to a fixed grid whatever the input's size, and one 3×3 ConvReLU on it.

    Args:
        in_channels: channels of the coarsest map.
        out_channels: channels of the result.
        grid: cells per side.
        norm: `"batch"` or `"group"`.

    Example:
        >>> import torch
        >>> GridDecoder(32, 8)([torch.zeros(1, 32, 8, 5)]).shape
        torch.Size([1, 8, 20, 20])
    """

    def __init__(self, in_channels: int, out_channels: int, grid: int = 20, norm: str = "batch") -> None:
        super().__init__()
        self.grid = (grid, grid)
        self.conv = ConvNormReLU(in_channels, out_channels, kernel=3, norm=norm)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid, coarse to fine, to (N, out_channels, grid, grid)."""
        out: Tensor = self.conv(F.interpolate(pyramid[0], size=self.grid, mode="bilinear", align_corners=True))
        return out


class Li2018(HeatmapClassifier):
    """A grid of patches, each classified; a class is present unless it is absent from every patch.

    Args:
        encoder: backbone whose coarsest map is used.
        num_classes: K.
        decoder_channels: channels of the 3×3 convolution.
        grid: cells per side of the heatmap, at every input size.
        norm: `"batch"` or `"group"` (ablation).
        pooling: `"mil"` is Li et al.'s.
        pooling_kwargs: options of the pooling.
        activation: `"sigmoid"` or `"softmax"`.

    Raises:
        ConfigError: an option has a value that cannot work.

    Example:
        >>> import torch
        >>> model = Li2018(Backbone("test_resnet", output_stride=None), num_classes=14)
        >>> model.forward_heatmap(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 14, 20, 20])
    """

    decoder: GridDecoder

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        decoder_channels: int = 512,
        grid: int = 20,
        norm: str = "batch",
        pooling: str = "mil",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        check_option("decoder_channels", decoder_channels, at_least=1)
        check_option("grid", grid, at_least=1)
        check_option("norm", norm, tuple(NORMS))
        super().__init__(encoder, num_classes, pooling=pooling, pooling_kwargs=pooling_kwargs, activation=activation)
        self.decoder_channels = decoder_channels
        # PyTorch's default initialisation throughout, as in the authors' implementation.
        self.decoder = GridDecoder(encoder.channels[0], decoder_channels, grid, norm)
        self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the decoder's map."""
        return self.decoder_channels

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """The fixed grid, spread from the first to the last cell of the coarsest map."""
        coarse, cells = self.encoder.cell_grids(size)[0], self.encoder.cells(size)[0]
        return corner_aligned(coarse, cells, self.decoder.grid, size)

    def build_head(self, num_classes: int) -> nn.Module:
        """A 1×1 head with PyTorch's default initialisation."""
        return ConvHead.default_initialized(self.num_features, num_classes)
