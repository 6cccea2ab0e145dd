"""Images beyond memory: the encoder runs over tiles, all that needs the whole image runs on the whole, which is small.

A tile sees `overlap` pixels beyond its own on each side, and gives the cells of its own pixels alone. So the maps are
those of the whole image, exactly, where an encoder's cell sees no further than that. PYLON's attention sees much
further; it looks at the coarsest map, which is put together from the tiles first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.cells import both
from pylon_zoo.deployment.head_first import HeadFirstDecoder
from pylon_zoo.deployment.optimization import OptimizedClassifier, optimize
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.options import check_option
from pylon_zoo.models.pylon_decoder import PylonDecoder

Size = tuple[int, int]


@torch.no_grad()
def tiled(
    model: HeatmapClassifier,
    *,
    tile: int = 1024,
    overlap: int = 256,
    dtype: torch.dtype | None = None,
    classes: Sequence[str | int] | None = None,
) -> OptimizedClassifier:
    """An optimized copy of a PYLON that runs its encoder over tiles, for images whose maps do not fit into memory.

    Logits and heatmaps are the whole image's: levels are joined, and heatmaps pooled, over all of it. Where a cell of
    the encoder sees further than `overlap`, it sees zeros beyond (ResNet-50's coarsest: 241 pixels each way), and
    encoders that look at the whole image, by attention or squeeze-and-excitation, see a tile of it. docs/speed.md says
    how large the difference is.

    Args:
        model: a PYLON whose backbone runs at any size, without a stem.
        tile: side in pixels of what a tile gives; a multiple of the coarsest stride, as a rule 32.
        overlap: pixels that it sees beyond that on each side; a multiple as well.
        dtype, classes: see `pylon_zoo.optimize`.

    Returns:
        A model whose images may stay on the processor: tiles go to the model's device one by one, and into its
        precision. It is for inference, without gradients.

    Raises:
        ConfigError: a model that cannot run over tiles, a side that is no multiple, or an option of `optimize`.
        UnknownNameError: a class that the model does not have.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> model = tiled(build_model("pylon_test_resnet", num_classes=2), tile=64, overlap=64)
        >>> [tuple(part.shape) for part in model.forward_with_heatmap(torch.zeros(1, 3, 150, 200))]
        [(1, 2), (1, 2, 38, 50)]
    """
    stride = check_tileable(model)
    for name, value, least in (("tile", tile, 1), ("overlap", overlap, 0)):
        check_option(name, value, at_least=least)
        if value % stride:
            near = max(least, round(value / stride)) * stride
            raise ConfigError(
                f"{name}={value} is no multiple of {stride}, the coarsest stride of {model.architecture}, so cells "
                f"would lie elsewhere in each tile; give {near}."
            )
    return optimize(model, dtype=dtype, classes=classes).over_tiles(
        lambda fast, layout: TiledDecode(fast, tile, overlap, layout)
    )


def check_tileable(model: HeatmapClassifier) -> int:
    """The pixels that a tile's sides are a multiple of.

    Raises:
        ConfigError: the model cannot run over tiles.
    """
    encoder, name = model.encoder, model.architecture
    if not isinstance(model.decoder, PylonDecoder) or getattr(model, "stem", False):
        raise ConfigError(f"{name} cannot run over tiles: only a PYLON without a stem can. Resize the images.")
    side = encoder.strides[0]
    unpadded = encoder.cells(8 * side)[0] != (8, 8) if encoder.fixed_size is None else True
    if unpadded or encoder.padded_size(8 * side, 9 * side) != (8 * side, 9 * side):
        raise ConfigError(
            f"{name} cannot run over tiles: {encoder.name} does not take every multiple of {side} pixels, or loses "
            "cells at borders. Take another backbone, such as resnet50."
        )
    return side


@dataclass(frozen=True)
class Tile:
    """A tile, in pixels of the image as its encoder pads it, at the right and bottom.

    Args:
        seen: (top, left, bottom, right) of what the encoder sees.
        own: of what it gives.
    """

    seen: tuple[int, int, int, int]
    own: tuple[int, int, int, int]


def tiles_of(size: Size, tile: int, overlap: int) -> Iterator[Tile]:
    """The tiles of a padded image (H, W), row by row; those at its borders see no further than it reaches.

    Example:
        >>> [one.seen for one in tiles_of((64, 96), 64, 32)]
        [(0, 0, 64, 96), (0, 32, 64, 96)]
    """
    for top in range(0, size[0], tile):
        for left in range(0, size[1], tile):
            own = (top, left, min(top + tile, size[0]), min(left + tile, size[1]))
            low = (max(own[0] - overlap, 0), max(own[1] - overlap, 0))
            yield Tile((*low, min(own[2] + overlap, size[0]), min(own[3] + overlap, size[1])), own)


class TiledDecode:
    """Images to what the head takes, as an optimized PYLON's encoder and decoder make it, a tile at a time.

    Args:
        model: optimized.
        tile, overlap: in pixels.
        layout: dtype and memory format that the network takes.
    """

    def __init__(self, model: OptimizedClassifier, tile: int, overlap: int, layout: dict[str, Any]) -> None:
        decoder = model.decoder
        assert isinstance(decoder, (PylonDecoder, HeadFirstDecoder))  # as `check_tileable` saw
        self.encoder: Backbone = model.encoder
        self.decoder = decoder
        self.tile, self.overlap, self.layout = tile, overlap, layout

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Features (N, C, h, w) of images (N, C, H, W) on any device."""
        size = both(x.shape[-2:])
        device = next(self.encoder.parameters()).device
        whole: list[Tensor] = []
        for tile in tiles_of(self.encoder.padded_size(*size), self.tile, self.overlap):
            top, left, bottom, right = tile.seen
            images = x[:, :, top:bottom, left:right].to(device).to(**self.layout)
            for level, part in enumerate(self.parts(images)):
                if level == len(whole):
                    whole.append(part.new_empty(*part.shape[:2], *self.encoder.cells(size)[level]))
                stride = self.encoder.strides[level]
                rows, columns = (slice(tile.own[axis] // stride, tile.own[axis + 2] // stride) for axis in (0, 1))
                down, across = ((tile.own[axis] - tile.seen[axis]) // stride for axis in (0, 1))
                target = whole[level][:, :, rows, columns]
                height, width = both(target.shape[-2:])
                target.copy_(part[:, :, down : down + height, across : across + width])
        out = self.decoder.begin(whole[0])
        for up, lateral in zip(self.decoder.upsampling, whole[1:], strict=False):
            out = lateral + up.bring(out, lateral)
        return out

    def parts(self, x: Tensor) -> Iterator[Tensor]:
        """Of a tile: the encoder's coarsest map as it is, and the finer ones through their laterals."""
        coarsest, *finer = self.encoder(x)
        yield coarsest
        for level, maps in enumerate(finer[: len(self.decoder.upsampling)]):
            yield self.decoder.lateral(level, maps)
