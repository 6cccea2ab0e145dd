"""PYLON, the Pyramid Localization Network (Preechakul et al., iScience 2022, Figure 1B).

The decoder is linear after its laterals: no activation follows a sum. So the heatmap is, exactly, a sum of one
contribution per level (`Pylon.forward_levels`).

Levels are brought onto each other either by where their cells truly lie in the image (`alignment="exact"`), or by
aligning the corners of their maps, as the official implementation does (`"paper"`): right at sides of 32 k + 1 pixels
alone, elsewhere coarse evidence drifts to the right and down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, positions
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead, MlpHead
from pylon_zoo.models.layers import (
    NORMS,
    ConvNormReLU,
    Places,
    halve,
    initialize_decoder,
    resample_like,
    resize_like,
    without_autocast,
)
from pylon_zoo.models.options import check_flag, check_option

ALIGNMENTS = ("exact", "paper")
LATERALS = ("paper", "light")
HALVED: Places = ((-0.25, 0.5), (-0.25, 0.5))  # a map's cells among those of its 2×2 pooling


def bring(maps: Tensor, reference: Tensor, places: Places | None) -> Tensor:
    """Maps (N, C, h, w) on the cells of `reference`: by where they lie, or corners aligned where that is None."""
    return resize_like(maps, reference) if places is None else resample_like(maps, reference, places)


def light_lateral(in_channels: int, out_channels: int, norm: str) -> nn.Sequential:
    """To the decoder's width first, then over space: 1×1, 3×3 on each channel by itself, 1×1.

    Cheaper than the paper's two 1×1 layers, the first of which keeps the encoder's width, and it sees its neighbours.
    """
    return nn.Sequential(
        ConvNormReLU(in_channels, out_channels, norm=norm),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, groups=out_channels),
        ConvNormReLU(out_channels, out_channels, norm=norm),
    )


class PyramidAttention(nn.Module):
    """PA: a 1×1 convolution of the coarsest map, multiplied with a one-channel mask seen at three smaller scales.

    The mask is a sum of ReLUs, without a sigmoid. Any map size works; at the paper's sizes nothing differs from it.

    Args:
        in_channels: channels of the coarsest map.
        out_channels: channels of the decoder.
        norm: `"batch"` or `"group"`.
        attention: False leaves the 1×1 convolution alone (ablation).
        gap: add a globally average-pooled branch, as PAN has (ablation; the paper advises against it).
        exact: bring the mask's scales onto each other by where their cells lie, not by their corners.
        light: a light lateral in place of the 1×1 convolution.

    Example:
        >>> import torch
        >>> PyramidAttention(32, 8)(torch.zeros(1, 32, 5, 3)).shape
        torch.Size([1, 8, 5, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: str = "batch",
        *,
        attention: bool = True,
        gap: bool = False,
        exact: bool = False,
        light: bool = False,
    ) -> None:
        super().__init__()
        self.places = HALVED if exact else None
        lateral = light_lateral if light else ConvNormReLU
        self.mid = lateral(in_channels, out_channels, norm=norm)
        self.attention = attention
        if attention:
            self.down1 = ConvNormReLU(in_channels, 1, kernel=7, norm=norm)
            self.down2 = ConvNormReLU(1, 1, kernel=5, norm=norm)
            self.down3 = ConvNormReLU(1, 1, kernel=3, norm=norm)
            self.conv3 = ConvNormReLU(1, 1, kernel=3, norm=norm)
            self.conv2 = ConvNormReLU(1, 1, kernel=5, norm=norm)
            self.conv1 = ConvNormReLU(1, 1, kernel=7, norm=norm)
        self.gap = ConvNormReLU(in_channels, out_channels, norm=norm) if gap else None

    def mask(self, x: Tensor) -> Tensor:
        """The attention mask (N, 1, h, w), non-negative, of maps (N, C, h, w)."""
        # Kept out of autocast: in bfloat16 on a CPU, the weight gradient of a kernel larger than its map, as the 7×7
        # convolution's is here, comes out undefined, even NaN. One channel at tiny sizes costs nothing in float32.
        with without_autocast(x.device.type):
            x1 = self.down1(halve(x.to(self.down1.conv.weight.dtype)))
            x2 = self.down2(halve(x1))
            x3 = self.down3(halve(x2))
            mask = bring(self.conv3(x3), x2, self.places) + self.conv2(x2)
            mask = bring(mask, x1, self.places) + self.conv1(x1)
            return bring(mask, x, self.places)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_channels, h, w) to (N, out_channels, h, w)."""
        out = self.mid(x)
        if self.attention:
            out = out * self.mask(x)
        if self.gap is not None:
            out = out + self.gap(x.mean(dim=(2, 3), keepdim=True))
        return out


class Upsampling(nn.Module):
    """UP: the lateral map through ConvReLUs, plus the coarser map, bilinearly upsampled to the lateral's cells.

    Args:
        in_channels: channels of the lateral map.
        out_channels: channels of the decoder.
        layers: 2 is the paper's `in → in → out`, 1 its small variant `in → out`.
        kernel: 1, or 3 (ablation).
        norm: `"batch"` or `"group"`.
        places: of the lateral map's cells among the coarser map's; None aligns the corners of the two.
        light: a light lateral, whatever `layers` and `kernel` are.

    Example:
        >>> import torch
        >>> Upsampling(16, 8)(torch.zeros(1, 8, 2, 2), torch.zeros(1, 16, 5, 3)).shape
        torch.Size([1, 8, 5, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        layers: int = 2,
        kernel: int = 1,
        norm: str = "batch",
        places: Places | None = None,
        light: bool = False,
    ) -> None:
        super().__init__()
        self.places = places
        if light:
            self.lateral = light_lateral(in_channels, out_channels, norm)
            return
        widths = [in_channels] * layers + [out_channels]
        self.lateral = nn.Sequential(*(ConvNormReLU(a, b, kernel, norm) for a, b in pairwise(widths)))

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """Coarser decoder map (N, out, h', w') and lateral map (N, in, h, w) to (N, out, h, w)."""
        lateral = self.lateral(lateral)
        return lateral + self.bring(coarse, lateral)

    def bring(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """A coarser map (N, C, h', w'), of any channels, on the lateral map's cells: (N, C, h, w)."""
        return bring(coarse, lateral, self.places)


class PylonDecoder(nn.Module):
    """Pyramid attention on the coarsest map, then one upsampling module per finer map.

    Args:
        channels: channels of the pyramid's maps, coarse to fine.
        width: channels of the decoder.
        up_modules: how many upsampling modules; None is one for each finer map.
        up_layers, up_kernel, norm: see `Upsampling`.
        attention, attention_gap: see `PyramidAttention`.
        light: light laterals at every level, see `light_lateral`.
        grids: where the cells of the pyramid's maps lie, coarse to fine; None aligns the corners of maps.
    """

    def __init__(
        self,
        channels: list[int],
        width: int = 128,
        *,
        up_modules: int | None = None,
        up_layers: int = 2,
        up_kernel: int = 1,
        norm: str = "batch",
        attention: bool = True,
        attention_gap: bool = False,
        light: bool = False,
        grids: Sequence[CellGrid] | None = None,
    ) -> None:
        super().__init__()
        finer = channels[1:]
        if up_modules is not None:
            check_option("up_modules", up_modules, at_least=0)
            if up_modules > len(finer):
                raise ConfigError(
                    f"up_modules={up_modules}, but the backbone has {len(finer)} maps above its coarsest one; "
                    f"give 0 to {len(finer)}, or None for all of them."
                )
            finer = finer[:up_modules]
        exact = grids is not None
        self.attention = PyramidAttention(
            channels[0], width, norm, attention=attention, gap=attention_gap, exact=exact, light=light
        )
        places = [positions(fine, among=coarse) for coarse, fine in pairwise(grids)] if exact else [None] * len(finer)
        self.upsampling = nn.ModuleList(
            Upsampling(c, width, up_layers, up_kernel, norm, place, light)
            for c, place in zip(finer, places, strict=False)
        )
        initialize_decoder(self)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid of maps, coarse to fine, to one map (N, width, h, w) at the finest size used."""
        out = self.attention(pyramid[0])
        for up, lateral in zip(self.upsampling, pyramid[1:], strict=False):
            out = up(out, lateral)
        return out

    def terms(self, pyramid: list[Tensor]) -> list[Tensor]:
        """The summands of `forward`, coarse to fine, each (N, width, h, w) at the size of the result."""
        terms = [self.attention(pyramid[0])]
        for up, lateral in zip(self.upsampling, pyramid[1:], strict=False):
            lateral = up.lateral(lateral)
            terms = [up.bring(term, lateral) for term in terms] + [lateral]
        return terms


class Pylon(HeatmapClassifier):
    """Pyramid Localization Network: encoder, light decoder, class heatmap, global max pooling.

    Args:
        encoder: any `Backbone`.
        num_classes: K.
        decoder_channels: width of the decoder.
        up_modules, up_layers, up_kernel, norm, attention, attention_gap: the decoder, see `PylonDecoder`.
        lateral: `"paper"`: `up_layers` convolutions of `up_kernel`; `"light"`: to the decoder's width first, then 3×3
            on each channel by itself, at the coarsest level too.
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
        if head_mlp_layers and head_kernel != 1:
            raise ConfigError(
                f"head_kernel={head_kernel} and head_mlp_layers={head_mlp_layers} are two different heads; give one."
            )
        if head_mlp_layers:
            pooling, pooling_kwargs = "avg", None
        super().__init__(encoder, num_classes, pooling=pooling, pooling_kwargs=pooling_kwargs, activation=activation)
        self.decoder_channels = decoder_channels
        self.head_kernel = head_kernel
        self.head_mlp_layers = head_mlp_layers
        self.decoder = PylonDecoder(
            encoder.channels,
            decoder_channels,
            up_modules=up_modules,
            up_layers=up_layers,
            up_kernel=up_kernel,
            norm=norm,
            attention=attention,
            attention_gap=attention_gap,
            light=lateral == "light",
            grids=encoder.grids if alignment == "exact" else None,
        )
        self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the decoder's map."""
        return self.decoder_channels

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """Of the finest level used."""
        return self.encoder.cell_grids(size)[len(self.decoder.upsampling)]

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
        first, *finer = self.decoder.terms(self.encoder(x))
        levels = [self.heatmap_from_features(first)]
        bias = self.head.bias.float().view(1, -1, 1, 1)
        return levels + [self.heatmap_from_features(term) - bias for term in finer]
