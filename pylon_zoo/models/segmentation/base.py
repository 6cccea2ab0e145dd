"""What the segmentation networks have in common: smp's list of maps, padding, and the head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, both
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.layers import crop_padding, pad_to

DEPTH = 5  # levels below the image that smp's decoders count: strides 2 to 32
PYRAMID = (32, 16, 8, 4)


class SegmentationClassifier(HeatmapClassifier):
    """An encoder with a decoder of smp, max-pooled. Subclasses build the decoder and say what differs below.

    smp's decoders want maps that halve exactly, so images are padded at the right and bottom to what the encoder takes,
    and the decoder's map is cropped to ⌈side ÷ stride⌉: at sizes smp takes, the numbers are smp's; at others, those of
    the padded image. A 3×3 head sees zeros beyond the image, at the padded borders as at the others.

    smp's decoders upsample by corners or to the nearest neighbour, whatever the encoder's cells are centred on, and
    keep doing so here. The heatmap's cells are said to lie where those of the finest map lie that the decoder adds to.

    Attributes:
        output_stride: pixels per cell of the heatmap.
        min_size: smallest side the decoder works at, in pixels; smaller images are padded to it.
    """

    output_stride = 4
    min_size = 32
    head_kernel = 1

    def __init__(self, encoder: Backbone, num_classes: int, decoder: nn.Module, channels: int, **options: Any) -> None:
        super().__init__(encoder, num_classes, **options)
        self.decoder_channels = channels
        self.decoder = decoder
        self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the decoder's map."""
        return self.decoder_channels

    def build_head(self, num_classes: int) -> nn.Module:
        """A convolution with Xavier-uniform weights, as smp's."""
        return ConvHead(self.num_features, num_classes, self.head_kernel)

    def decode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to the decoder's map (N, `num_features`, ⌈H ÷ stride⌉, ⌈W ÷ stride⌉)."""
        size = both(x.shape[-2:])
        target = self.encoder.padded_size(*(max(side, self.min_size) for side in size))
        x = pad_to(x, target)
        return crop_padding(self.run_decoder(smp_features(x, self.encoder(x))), size, target)

    def heatmap_grid(self, size: tuple[int, int]) -> CellGrid:
        """Of the finest level that is no finer than the heatmap, each cell split into those that the decoder makes."""
        levels = zip(self.encoder.cell_grids(size), self.encoder.strides, strict=True)
        grid, stride = [level for level in levels if level[1] >= self.output_stride][-1]
        return grid.subdivided(stride // self.output_stride)

    def run_decoder(self, features: list[Tensor]) -> Tensor:
        """smp's list of maps, fine to coarse, to the decoder's map."""
        out: Tensor = self.decoder(features)
        return out


def smp_features(x: Tensor, pyramid: list[Tensor]) -> list[Tensor]:
    """Our pyramid as smp lists it: the image, then fine to coarse from stride 2, empty where there is no such map.

    Args:
        x: images (N, C, H, W).
        pyramid: maps, coarse to fine, of stride 32 (or 16, dilated) to 4 or 2.
    """
    fine_to_coarse = pyramid[::-1]
    if len(fine_to_coarse) < DEPTH:
        fine_to_coarse = [x.new_empty(x.shape[0], 0, x.shape[2] // 2, x.shape[3] // 2), *fine_to_coarse]
    return [x, *fine_to_coarse]


def smp_channels(encoder: Backbone, needed_by: str, coarsest: int = 32) -> list[int]:
    """Channels of `smp_features`.

    Raises:
        ConfigError: the encoder's maps are not those the decoder is made for; says which they are.
    """
    wanted = tuple(min(stride, coarsest) for stride in PYRAMID)
    if tuple(encoder.strides[:4]) != wanted or encoder.strides[4:] not in ([], [2]):
        raise ConfigError(
            f"{needed_by} needs maps of strides {', '.join(map(str, wanted))}, but those of {encoder.name} have "
            f"{', '.join(map(str, encoder.strides))}. Take another backbone, or pylon, cam or li2018, which run on any."
        )
    fine_to_coarse = encoder.channels[::-1]
    return [encoder.in_chans, *([0] if len(fine_to_coarse) < DEPTH else []), *fine_to_coarse]


def swap_norms(module: nn.Module, kind: type[nn.Module], build: Callable[[int], nn.Module]) -> nn.Module:
    """Replace the normalisation layers of that kind inside a module, in place; gives it back."""
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is kind:
                setattr(parent, name, build(layer.get_parameter("weight").numel()))
    return module
