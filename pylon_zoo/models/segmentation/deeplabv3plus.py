"""DeepLabV3+ (Chen et al. 2018), with or without its image-level pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP, DeepLabV3PlusDecoder
from torch import Tensor, nn

from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.layers import BatchNorm2d
from pylon_zoo.models.options import check_flag, check_option, check_share
from pylon_zoo.models.segmentation.base import DEPTH, SegmentationClassifier, smp_channels, swap_norms

OUTPUT_STRIDE = 16  # of the dilated encoder
ATROUS_RATES = (12, 24, 36)


class AsppWithoutGap(ASPP):  # type: ignore[misc]  # smp ships no types
    """Atrous spatial pyramid pooling without the image-level branch (paper, ablation)."""

    convs: nn.ModuleList
    project: nn.Sequential

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(in_channels, out_channels, ATROUS_RATES, separable=True, dropout=dropout)
        self.convs = self.convs[:-1]  # the last one pools
        self.project[0] = nn.Conv2d(len(self.convs) * out_channels, out_channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, h, w) to (N, C', h, w)."""
        out: Tensor = self.project(torch.cat([conv(x) for conv in self.convs], dim=1))
        return out


class DeepLabV3Plus(SegmentationClassifier):
    """Atrous pyramid on an encoder dilated to stride 16, refined by the stride-4 map.

    Args:
        encoder: backbone with maps of strides 16, 16, 8 and 4.
        num_classes: K.
        decoder_channels: channels of the decoder.
        gap: keep the image-level branch of the atrous pyramid (paper, "no GAP").
        dropout: share of values dropped after the pyramid in training, 0 ≤ dropout < 1.
        pooling, pooling_kwargs, activation: see `HeatmapClassifier`.

    Raises:
        ConfigError: the encoder's maps do not fit, or an option has a value that cannot work.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("deeplabv3plus_test_resnet", num_classes=2).eval()
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2, 16, 16])
    """

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        decoder_channels: int = 256,
        gap: bool = True,
        dropout: float = 0.5,
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        check_option("decoder_channels", decoder_channels, at_least=1)
        check_flag("gap", gap)
        check_share("dropout", dropout)
        channels = smp_channels(encoder, "DeepLabV3+", coarsest=OUTPUT_STRIDE)
        # PyTorch's default initialisation: smp does not initialise this decoder, nor its head.
        decoder = DeepLabV3PlusDecoder(
            channels,
            DEPTH,
            decoder_channels,
            ATROUS_RATES,
            output_stride=OUTPUT_STRIDE,
            aspp_separable=True,
            aspp_dropout=dropout,
        )
        if not gap:
            decoder.aspp[0] = AsppWithoutGap(channels[-1], decoder_channels, dropout)
        super().__init__(
            encoder,
            num_classes,
            swap_norms(decoder, nn.BatchNorm2d, BatchNorm2d),
            decoder_channels,
            pooling=pooling,
            pooling_kwargs=pooling_kwargs,
            activation=activation,
        )

    def build_head(self, num_classes: int) -> nn.Module:
        """A 1×1 head with PyTorch's default initialisation, as smp leaves it."""
        return ConvHead.default_initialized(self.num_features, num_classes)
