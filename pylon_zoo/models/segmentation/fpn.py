"""Feature pyramid network (Kirillov et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from segmentation_models_pytorch.base.initialization import initialize_decoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from torch import nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.layers import BatchNorm2d, GroupNorm
from pylon_zoo.models.options import check_option, check_share
from pylon_zoo.models.segmentation.base import DEPTH, SegmentationClassifier, smp_channels, swap_norms

SMP_GROUPS = 32  # of the GroupNorm in smp's FPN


class Fpn(SegmentationClassifier):
    """Feature pyramid network (Kirillov et al. 2019), with batch normalisation as in the paper, or group.

    Args:
        encoder: backbone with maps from stride 32 to stride 4.
        num_classes: K.
        pyramid_channels: channels of the top-down pyramid.
        decoder_channels: channels of the merged map, a multiple of 32.
        norm: `"batch"`, or `"group"` as in smp.
        norm_groups: groups of the latter; must divide `decoder_channels`.
        dropout: share of channels dropped in training, 0 ≤ dropout < 1.
        pooling, pooling_kwargs, activation: see `HeatmapClassifier`.

    Raises:
        ConfigError: the encoder's maps do not fit, or an option has a value that cannot work.

    Example:
        >>> import torch
        >>> from pylon_zoo.models.build import build_model
        >>> model = build_model("fpn_test_resnet", num_classes=2).eval()
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2, 16, 16])
    """

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        pyramid_channels: int = 256,
        decoder_channels: int = 128,
        norm: str = "batch",
        norm_groups: int = 32,
        dropout: float = 0.0,
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        check_option("pyramid_channels", pyramid_channels, at_least=1)
        check_option("decoder_channels", decoder_channels, at_least=1)
        check_option("norm", norm, ("batch", "group"))
        check_option("norm_groups", norm_groups, at_least=1)
        check_share("dropout", dropout)
        if decoder_channels % SMP_GROUPS or (norm == "group" and decoder_channels % norm_groups):
            raise ConfigError(
                f"decoder_channels={decoder_channels} is not valid; give a multiple of {SMP_GROUPS}, which smp's FPN "
                f"is built with, and of norm_groups={norm_groups}."
            )
        decoder = FPNDecoder(smp_channels(encoder, "FPN"), DEPTH, pyramid_channels, decoder_channels, dropout)
        build: Callable[[int], nn.Module] = BatchNorm2d if norm == "batch" else partial(GroupNorm, groups=norm_groups)
        initialize_decoder(swap_norms(decoder, nn.GroupNorm, build))
        super().__init__(
            encoder,
            num_classes,
            decoder,
            decoder_channels,
            pooling=pooling,
            pooling_kwargs=pooling_kwargs,
            activation=activation,
        )
