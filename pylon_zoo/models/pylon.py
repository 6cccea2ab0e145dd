"""PYLON, the Pyramid Localization Network (Preechakul et al., iScience 2022, Figure 1B).

The decoder is linear after its laterals: no activation follows a sum. So the heatmap is, exactly, a sum of one
contribution per level (`Pylon.forward_levels`).

Levels are brought onto each other either by where their cells truly lie in the image (`alignment="exact"`), or by
aligning the corners of their maps, as the official implementation does (`"paper"`): right at sides of 32 k + 1 pixels
alone, elsewhere coarse evidence drifts to the right and down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead, MlpHead
from pylon_zoo.models.layers import NORMS
from pylon_zoo.models.options import check_flag, check_option
from pylon_zoo.models.pylon_decoder import STEM_GRID, PylonDecoder

ALIGNMENTS = ("exact", "paper")
LATERALS = ("paper", "light")


class Pylon(HeatmapClassifier):
    """Pyramid Localization Network: encoder, light decoder, class heatmap, global max pooling.

    Args:
        encoder: any `Backbone`.
        num_classes: K.
        decoder_channels: width of the decoder.
        up_modules, up_layers, up_kernel, norm, attention, attention_gap: the decoder, see `PylonDecoder`.
        lateral: `"paper"`: `up_layers` convolutions of `up_kernel`; `"light"`: to the decoder's width first, then 3×3
            on each channel by itself, at the coarsest level too.
        stem: add a finest level, of stride 4, made from the images themselves, to an encoder that has none so fine, as
            plain vision transformers have not. A cell of it sees 7 pixels: it cannot know a finding, so it sharpens
            what coarser levels say, and says little of its own. It belongs to the decoder.
        alignment: `"exact"`: levels are brought onto each other by where their cells lie in the image; `"paper"`: by
            the corners of their maps, the official arithmetic.
        head_kernel: 1 (paper) or 3 (ablation).
        head_mlp_layers: 0 is the heatmap head. 1 to 3 is average pooling and that many linear layers (ablation): one
            layer is CAM, with a heatmap; two or three have none.
        pooling: how a heatmap becomes a logit, a key of `pylon_zoo.models.pooling.POOLINGS`.
        pooling_kwargs: its options.
        activation: how a logit becomes a probability, `"sigmoid"` or `"softmax"`.

    Raises:
        ConfigError: an option has a value that cannot work; names option and valid values.

    Example:
        >>> import torch
        >>> model = Pylon(Backbone("test_resnet"), num_classes=14)
        >>> logits, heatmap = model.forward_with_heatmap(torch.zeros(2, 3, 64, 64))
        >>> logits.shape, heatmap.shape
        (torch.Size([2, 14]), torch.Size([2, 14, 16, 16]))
    """

    decoder: PylonDecoder

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        decoder_channels: int = 128,
        attention: bool = True,
        attention_gap: bool = False,
        up_modules: int | None = None,
        up_layers: int = 2,
        up_kernel: int = 1,
        head_kernel: int = 1,
        head_mlp_layers: int = 0,
        norm: str = "batch",
        lateral: str = "paper",
        stem: bool = False,
        alignment: str = "exact",
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        check_option("alignment", alignment, ALIGNMENTS)
        check_option("lateral", lateral, LATERALS)
        check_option("decoder_channels", decoder_channels, at_least=1)
        check_option("up_layers", up_layers, (1, 2))
        check_option("up_kernel", up_kernel, (1, 3))
        check_option("head_kernel", head_kernel, (1, 3))
        check_option("head_mlp_layers", head_mlp_layers, (0, 1, 2, 3))
        check_option("norm", norm, tuple(NORMS))
        check_flag("attention", attention)
        check_flag("attention_gap", attention_gap)
        check_flag("stem", stem)
        if head_mlp_layers and head_kernel != 1:
            raise ConfigError(
                f"head_kernel={head_kernel} and head_mlp_layers={head_mlp_layers} are two different heads; give one."
            )
        if stem and encoder.strides[-1] <= STEM_GRID.step[0]:
            raise ConfigError(
                f"stem=True adds a level of stride 4, but {encoder.name} has one of stride {encoder.strides[-1]} "
                "already; leave it out."
            )
        if head_mlp_layers:
            pooling, pooling_kwargs = "avg", None
        super().__init__(encoder, num_classes, pooling=pooling, pooling_kwargs=pooling_kwargs, activation=activation)
        self.decoder_channels = decoder_channels
        self.head_kernel = head_kernel
        self.head_mlp_layers = head_mlp_layers
        self.stem = stem
        self.decoder = PylonDecoder(
            encoder.channels + [encoder.in_chans] * stem,
            decoder_channels,
            up_modules=up_modules,
            up_layers=up_layers,
            up_kernel=up_kernel,
            norm=norm,
            attention=attention,
            attention_gap=attention_gap,
            light=lateral == "light",
            grids=(*encoder.grids, STEM_GRID)[: len(encoder.grids) + stem] if alignment == "exact" else None,
            stem=stem,
        )
        self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the decoder's map."""
        return self.decoder_channels

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """Of the finest level used."""
        return (*self.encoder.cell_grids(size), STEM_GRID)[len(self.decoder.upsampling)]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Images (N, C, H, W) to what the decoder takes: the encoder's maps, coarse to fine, and a stem's images."""
        return [*self.encoder(x), x] if self.stem else self.encoder(x)

    def decode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) through encoder and decoder, which takes the images as well where it has a stem."""
        out: Tensor = self.decoder(self.pyramid(x))
        return out

    def first_conv(self) -> tuple[str, ...]:
        """The encoder's, and the stem's first."""
        own = (f"decoder.upsampling.{len(self.decoder.upsampling) - 1}.lateral.0.0.conv",) if self.stem else ()
        return super().first_conv() + own

    def build_head(self, num_classes: int) -> nn.Module:
        """A convolution, or the ablation's MLP; an MLP of one layer is a 1×1 convolution before average pooling."""
        if self.head_mlp_layers > 1:
            return MlpHead(self.num_features, num_classes, self.head_mlp_layers)
        return ConvHead(self.num_features, num_classes, 1 if self.head_mlp_layers else self.head_kernel)

    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """What each level of the pyramid contributes to the heatmap: they add up to it, the first holds the bias.

        Args:
            x: normalised images (N, C, H, W).

        Returns:
            One float32 tensor (N, K, h, w) per level used, coarse to fine, at the heatmap's size.

        Raises:
            ConfigError: the model has no heatmap.
        """
        first, *finer = self.decoder.terms(self.pyramid(x))
        levels = [self.heatmap_from_features(first)]  # which refuses where there is no heatmap
        assert isinstance(self.head, ConvHead)
        bias = self.head.bias.float().view(1, -1, 1, 1)
        return levels + [self.heatmap_from_features(term) - bias for term in finer]
