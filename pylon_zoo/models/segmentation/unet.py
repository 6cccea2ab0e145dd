"""U-Net (Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segmentation_models_pytorch.base.initialization import initialize_decoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.layers import BatchNorm2d
from pylon_zoo.models.options import check_option
from pylon_zoo.models.segmentation.base import DEPTH, SegmentationClassifier, smp_channels, swap_norms


class Unet(SegmentationClassifier):
    """U-Net (Ronneberger et al. 2015) with the paper's wider decoder; a heatmap at the image's own size.

    Args:
        encoder: backbone with maps from stride 32 to stride 4 or 2.
        num_classes: K.
        decoder_channels: channels of the five blocks, coarse to fine.
        pooling, pooling_kwargs, activation: see `HeatmapClassifier`.

    Raises:
        ConfigError: the encoder's maps do not fit, or an option has a value that cannot work.

    Example:
        >>> import torch
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("unet_test_resnet", num_classes=2).eval()
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2, 64, 64])
    """

    output_stride = 1
    head_kernel = 3

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        decoder_channels: Sequence[int] = (256, 128, 64, 64, 64),
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        if not isinstance(decoder_channels, Sequence) or len(decoder_channels) != DEPTH:
            raise ConfigError(f"decoder_channels={decoder_channels!r} is not valid; give {DEPTH} whole numbers.")
        for channels in decoder_channels:
            check_option("decoder_channels", channels, at_least=1)
        decoder = UnetDecoder(
            smp_channels(encoder, "U-Net"),
            list(decoder_channels),
            add_center_block=encoder.name.startswith("vgg"),  # as smp.Unet does
        )
        initialize_decoder(decoder)
        super().__init__(
            encoder,
            num_classes,
            swap_norms(decoder, nn.BatchNorm2d, BatchNorm2d),
            decoder_channels[-1],
            pooling=pooling,
            pooling_kwargs=pooling_kwargs,
            activation=activation,
        )
