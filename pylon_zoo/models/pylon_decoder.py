"""PYLON's decoder (Preechakul et al., iScience 2022, Figure 1B): pyramid attention, then one upsampling a level.

It is linear after its laterals: no activation follows a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, positions
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.layers import (
    ConvNormReLU,
    Places,
    halve,
    initialize_decoder,
    resample_like,
    resize_like,
    without_autocast,
)
from pylon_zoo.models.options import check_option

HALVED: Places = ((-0.25, 0.5), (-0.25, 0.5))  # a map's cells among those of its 2×2 pooling

STEM_CHANNELS = (32, 64)
STEM_GRID = CellGrid((0.0, 0.0), (4.0, 4.0))  # padding on both sides keeps the first cell on the first pixel


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


class Stem(nn.Sequential):
    """From the images to a level of stride 4: two 3×3 convolutions of stride 2. A cell sees 7 pixels each way.

    Args:
        in_chans: channels of the images.
        norm: of the convolutions, `"batch"` or `"group"`.

    Example:
        >>> import torch
        >>> Stem(3)(torch.zeros(1, 3, 33, 62)).shape, STEM_GRID
        (torch.Size([1, 64, 9, 16]), CellGrid(first=(0.0, 0.0), step=(4.0, 4.0)))
    """

    def __init__(self, in_chans: int, norm: str = "batch") -> None:
        widths = pairwise((in_chans, *STEM_CHANNELS))
        super().__init__(*(ConvNormReLU(a, b, kernel=3, norm=norm, stride=2) for a, b in widths))


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
        out: Tensor = self.mid(x)
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
        stem: the lateral map is the images themselves, and a `Stem` goes before the lateral.

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
        stem: bool = False,
    ) -> None:
        super().__init__()
        self.places = places
        before = [Stem(in_channels, norm)] if stem else []
        channels = STEM_CHANNELS[-1] if stem else in_channels
        widths = [channels] * layers + [out_channels]
        paper = (ConvNormReLU(a, b, kernel, norm) for a, b in pairwise(widths))
        self.lateral = nn.Sequential(*before, *(light_lateral(channels, out_channels, norm) if light else paper))

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """Coarser decoder map (N, out, h', w') and lateral map (N, in, h, w) to (N, out, h, w), or ⌈h/4⌉ of a stem."""
        lateral = self.lateral(lateral)
        return lateral + self.bring(coarse, lateral)

    def bring(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        """A coarser map (N, C, h', w'), of any channels, on the lateral map's cells: (N, C, h, w)."""
        return bring(coarse, lateral, self.places)


class Upsamplings(nn.ModuleList):
    """The upsampling modules of a decoder, coarse to fine."""

    if TYPE_CHECKING:  # torch's list does not say of what

        def __iter__(self) -> Iterator[Upsampling]: ...
        def __getitem__(self, index: int) -> Upsampling: ...  # type: ignore[override]  # no slices


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
        stem: the last of the pyramid is the images themselves, see `Upsampling`; its grid is `STEM_GRID`.

    Raises:
        ConfigError: more upsampling modules than finer maps, or fewer than reach the stem.

    Example:
        >>> import torch
        >>> maps = [torch.zeros(1, 32, 4, 4), torch.zeros(1, 16, 8, 8)]
        >>> PylonDecoder((32, 16), width=8)(maps).shape
        torch.Size([1, 8, 8, 8])
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
        stem: bool = False,
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
        if stem and len(finer) < len(channels) - 1:
            raise ConfigError(
                f"up_modules={up_modules} leaves out the stem, which is the finest map; give {len(channels) - 1}, or "
                "None for all of them."
            )
        exact = grids is not None
        self.attention = PyramidAttention(
            channels[0], width, norm, attention=attention, gap=attention_gap, exact=exact, light=light
        )
        places: Sequence[Places | None] = [None] * len(finer)
        if grids is not None:
            places = [positions(fine, among=coarse) for coarse, fine in pairwise(grids)]
        self.upsampling = Upsamplings(
            Upsampling(c, width, up_layers, up_kernel, norm, place, light, stem and level == len(finer))
            for level, (c, place) in enumerate(zip(finer, places, strict=False), 1)
        )
        initialize_decoder(self)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid of maps, coarse to fine, to one map (N, width, h, w) at the finest size used."""
        out = self.begin(pyramid[0])
        for up, lateral in zip(self.upsampling, pyramid[1:], strict=False):
            out = up(out, lateral)
        return out

    def begin(self, coarsest: Tensor) -> Tensor:
        """The coarsest map, (N, width, h, w)."""
        out: Tensor = self.attention(coarsest)
        return out

    def lateral(self, level: int, maps: Tensor) -> Tensor:
        """What the map of a finer level, counted from 0, adds at its own size."""
        out: Tensor = self.upsampling[level].lateral(maps)
        return out

    def terms(self, pyramid: list[Tensor]) -> list[Tensor]:
        """The summands of `forward`, coarse to fine, each (N, width, h, w) at the size of the result."""
        terms = [self.attention(pyramid[0])]
        for up, lateral in zip(self.upsampling, pyramid[1:], strict=False):
            lateral = up.lateral(lateral)
            terms = [up.bring(term, lateral) for term in terms] + [lateral]
        return terms
