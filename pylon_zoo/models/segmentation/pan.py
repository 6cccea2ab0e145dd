"""Pyramid attention network (Li, Xiong, An & Wang 2018), with or without its global average pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from segmentation_models_pytorch.base.initialization import initialize_decoder
from segmentation_models_pytorch.decoders.pan.decoder import FPABlock, GAUBlock, PANDecoder
from torch import Tensor, nn

from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.layers import BatchNorm2d, without_autocast
from pylon_zoo.models.options import check_flag, check_option
from pylon_zoo.models.segmentation.base import DEPTH, SegmentationClassifier, smp_channels, swap_norms


class FpaWithoutGap(FPABlock):  # type: ignore[misc]  # smp ships no types
    """Feature pyramid attention without the globally pooled branch: the masked map alone (paper, ablation)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.branch1 = NoBranch()


class NoBranch(nn.Module):
    """The pooled branch's place, holding nothing: one zero per image, which smp stretches and adds."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) to zeros (N, 1, 1, 1)."""
        return maps.new_zeros(len(maps), 1, 1, 1)


class GauWithoutGap(GAUBlock):  # type: ignore[misc]  # smp ships no types
    """Global attention upsampling without its gate: the lateral map enters as it is (paper, ablation)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        del self.conv1

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Lateral map (N, C, h, w) and coarser map (N, C', h', w') to (N, C', h, w)."""
        lateral: Tensor = self.conv2(x)
        return lateral + F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)


class Pan(SegmentationClassifier):
    """Pyramid attention network on an encoder that is not dilated, as in the paper.

    Args:
        encoder: backbone with maps from stride 32 to stride 4.
        num_classes: K.
        decoder_channels: channels of the decoder.
        gap: keep the globally pooled branch of the attention and the gates of the upsampling (paper, "no GAP").
        pooling, pooling_kwargs, activation: see `HeatmapClassifier`.

    Raises:
        ConfigError: the encoder's maps do not fit, or an option has a value that cannot work.

    Example:
        >>> import torch
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("pan_test_resnet", num_classes=2).eval()
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2, 16, 16])
    """

    min_size = 256  # the attention halves the coarsest map three times, rounding down
    head_kernel = 3

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        decoder_channels: int = 128,
        gap: bool = True,
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        check_option("decoder_channels", decoder_channels, at_least=1)
        check_flag("gap", gap)
        channels = smp_channels(encoder, "PAN")
        decoder = PANDecoder(channels, DEPTH, decoder_channels)
        if not gap:
            decoder.fpa = FpaWithoutGap(channels[-1], decoder_channels)
            for index in (1, 2, 3):
                setattr(decoder, f"gau{index}", GauWithoutGap(channels[index + 1], decoder_channels))
        initialize_decoder(swap_norms(decoder, nn.BatchNorm2d, BatchNorm2d))
        super().__init__(
            encoder,
            num_classes,
            decoder,
            decoder_channels,
            pooling=pooling,
            pooling_kwargs=pooling_kwargs,
            activation=activation,
        )

    def run_decoder(self, features: list[Tensor]) -> Tensor:
        """smp's list of maps, fine to coarse, to the decoder's map."""
        if features[0].device.type != "cpu":
            return super().run_decoder(features)
        # In bfloat16 on a CPU the weight gradient of a kernel larger than its map, as the 7×7 one's is, is undefined.
        dtype = next(self.decoder.parameters()).dtype
        with without_autocast("cpu"):
            return super().run_decoder([level.to(dtype) for level in features])
