"""Any timm feature extractor as a pyramid of NCHW maps, coarse to fine, for any input size."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import timm
import torch
from timm.layers.format import Format
from torch import Tensor, nn

from pylon_zoo.cells import CellGrid, both
from pylon_zoo.errors import ConfigError, WeightsError, first_line
from pylon_zoo.models.encoder_weights import EncoderWeights, fill_encoder
from pylon_zoo.models.grids import Level, found_levels, tabled_levels
from pylon_zoo.models.layers import crop_padding, pad_to, same_size
from pylon_zoo.models.modes import evaluating
from pylon_zoo.models.names import resolve_backbone, timm_module
from pylon_zoo.models.options import as_pair, check_option
from pylon_zoo.models.probing import draw_weights
from pylon_zoo.models.sizes import ceil_div, round_up, size_rule
from pylon_zoo.models.timm_network import TimmNetwork, create_network

NOMINAL_STRIDE = 32  # of a network that is not built yet
TRACED_SIZE = (64, 96)  # pixels, of the image that shows where cells lie; networks of one size pad it


class Backbone(nn.Module):
    """A timm network without its classifier.

    Levels finer than `output_stride` are left out; a network with no level that fine gives the finest it has. Inputs
    are zero-padded at the right and bottom to what the network takes (zero is the mean of normalised images), and the
    maps cropped to ⌈side ÷ stride⌉: a map never shows the padding.

    Args:
        name: timm architecture, with a tag or without (`"resnet50"`, `"resnet50.tv_in1k"`).
        in_chans: channels of the images.
        pretrained: False, True for timm's weights of the name's tag, or a tag.
        weights: those of the whole network, in place of timm's; a tag then says no more than how images must look.
        output_stride: stride of the finest level wanted, in pixels; None for the last level alone.
        coarsest_stride: stride of the coarsest level wanted, in pixels: what the network does after it is left out.
            None keeps the whole network.
        img_size: size to build a network for that runs at one size only, in pixels, square or (H, W).
        encoder_kwargs: further options of the timm architecture (`drop_path_rate`, …).

    Attributes:
        channels: channels of each level, coarse to fine.
        strides: pixels per cell of each level, coarse to fine.
        grids: where the cells of each level lie in the images, coarse to fine.
        is_cut: whether the network goes on beyond the coarsest level.
        fixed_size: (H, W) beyond which the network cannot go, or None.
        pretrained_cfg: timm's description of the network and its input.

    Raises:
        UnknownNameError: no such architecture or tag; names the nearest.
        ConfigError: an option the architecture does not take.
        WeightsError: timm's weights cannot be downloaded, or `weights` do not fit.

    Example:
        >>> import torch
        >>> [tuple(level.shape) for level in Backbone("test_resnet")(torch.zeros(1, 3, 64, 48))]
        [(1, 96, 2, 2), (1, 192, 4, 3), (1, 48, 8, 6), (1, 32, 16, 12)]
    """

    is_whole_stages = True  # its levels end where timm's feature extractor's do
    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> list[Tensor]: ...

    def __init__(
        self,
        name: str,
        *,
        in_chans: int = 3,
        pretrained: bool | str = False,
        weights: EncoderWeights | None = None,
        output_stride: int | None = 4,
        coarsest_stride: int | None = None,
        img_size: int | tuple[int, int] | None = None,
        encoder_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if output_stride is not None:
            check_option("output_stride", output_stride, at_least=1)
        if coarsest_stride is not None:
            check_option("coarsest_stride", coarsest_stride, at_least=output_stride or 1)
        name = resolve_backbone(name, pretrained)
        described = timm.get_pretrained_cfg(name)
        cfg = described.to_dict() if described else {}  # none of somebody's own without one
        self.name = name
        self.in_chans = in_chans
        self.rule = size_rule(timm_module(name), name.partition(".")[0])
        options = _check_kwargs({**self.rule.options, **(encoder_kwargs or {})})
        self.fixed_size: tuple[int, int] | None = None
        wanted = None if img_size is None else as_pair("img_size", img_size)
        if cfg.get("fixed_input_size"):
            native = tuple(cfg["input_size"][1:])
            options["img_size"] = self._size_to_build(native, wanted or native)
            if not self.rule.options:
                self.fixed_size = options["img_size"]
        self._options = options
        self._weights = weights
        self.model = self._checked_build(name, in_chans, bool(pretrained) and weights is None, options)
        self.pretrained_cfg: dict[str, Any] = dict(self.model.pretrained_cfg)
        if weights is not None:
            fill_encoder(self._inside("model", "body")[1], weights, name, in_chans, options)
            self.pretrained_cfg |= weights.description
        del self._weights  # a copy of the encoder, and no part of the model
        self.is_cut = coarsest_stride is not None and self._cut(coarsest_stride)
        self._read_levels(output_stride)
        self._levels = self._find_levels()
        self.grids: tuple[CellGrid, ...] = tuple(level.grid for level in self._levels)

    def _build(self, name: str, in_chans: int, pretrained: bool, options: Mapping[str, Any]) -> TimmNetwork:
        return create_network(name, pretrained=pretrained, features_only=True, in_chans=in_chans, **options)

    def _checked_build(self, name: str, in_chans: int, pretrained: bool, options: Mapping[str, Any]) -> TimmNetwork:
        try:
            return self._build(name, in_chans, pretrained, options)
        # Beside the TypeError of an unknown keyword, what timm's constructors make of values that cannot be.
        except (TypeError, AssertionError, IndexError, RuntimeError) as error:
            raise ConfigError(
                f"The timm architecture {name!r} refused encoder_kwargs {dict(options)}: "
                f"{str(error).rstrip('.') or type(error).__name__}."
            ) from error
        except OSError as error:
            raise WeightsError(
                f"timm's weights of {name!r} cannot be had ({type(error).__name__}: {_first_cause(error)}). Check the "
                "connection to the Hub, or leave encoder_pretrained out."
            ) from error

    def _cut(self, coarsest_stride: int) -> bool:
        """Leave out what the network does beyond its last level of that stride; whether there is any."""
        strides = self.model.feature_info.reduction()
        wanted = tuple(place for place, stride in enumerate(strides) if stride <= coarsest_stride)
        if not wanted:
            raise ConfigError(
                f"coarsest_stride={coarsest_stride}, but the finest map of {self.name} has stride {min(strides)}; give "
                f"one of {', '.join(map(str, sorted(set(strides))))}, or None for the whole network."
            )
        if len(wanted) == len(strides):
            return False
        shorter: Any = self._build(self.name, self.in_chans, False, {**self._options, "out_indices": wanted})
        if hasattr(shorter, "_stage_out_idx"):  # timm's own extractors of EfficientNet's family run to the end
            shorter.blocks = shorter.blocks[: max(shorter._stage_out_idx)]
        kept = shorter.state_dict()
        shorter.load_state_dict({name: value for name, value in self.model.state_dict().items() if name in kept})
        self.model = shorter.train(self.model.training)
        return True

    def _read_levels(self, output_stride: int | None) -> None:
        """Set `strides` and `channels`, and how the network's maps become ours."""
        info = self.model.feature_info
        strides: list[int] = list(info.reduction())
        channels: list[int] = list(info.channels())
        coarse_to_fine = sorted(range(len(strides)), key=lambda i: (strides[i], i), reverse=True)
        if output_stride is None:
            self._indices = coarse_to_fine[:1]
        else:
            finest = min((s for s in strides if s >= output_stride), default=max(strides))
            self._indices = [i for i in coarse_to_fine if strides[i] >= finest]
        self.strides = [strides[i] for i in self._indices]
        self.channels = [channels[i] for i in self._indices]
        self._channels_last = getattr(self.model, "output_fmt", None) == Format.NHWC

    def _find_levels(self) -> list[Level]:
        arch = self.name.partition(".")[0]
        levels = tabled_levels(arch, self.strides, self._options) if self.is_whole_stages else None
        return self.traced_levels() if levels is None else levels

    def traced_levels(self) -> list[Level]:
        """The levels as a run of the network tells them, whatever the table says.

        A network that runs neither at a small size nor at its own, as some on PyTorch's meta device, is taken for one
        whose cells tile the image.
        """
        like, native = next(self.parameters()), tuple(self.pretrained_cfg["input_size"][1:])
        for size in (TRACED_SIZE, native):
            images = like.new_zeros(1, self.in_chans, *self.padded_size(*size))
            with evaluating(self), suppress(RuntimeError, AssertionError, ValueError, ZeroDivisionError):
                return found_levels(self._maps, images, self.strides, self._with_drawn_weights)
        return [Level(CellGrid(((stride - 1) / 2,) * 2, (float(stride),) * 2)) for stride in self.strides]

    def _with_drawn_weights(self) -> Callable[[Tensor], list[Tensor]]:
        """What the network does with the same weights of noise every time, so that a measurement comes out alike."""
        network = copy.deepcopy(self).requires_grad_(False)
        draw_weights(network, torch.Generator().manual_seed(0))
        return network._maps

    def _size_to_build(self, native: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
        if wanted == native:
            return native
        if self.rule.native_only:
            raise ConfigError(
                f"img_size={wanted}: {self.name} only exists for {native[0]}×{native[1]} pixels. Leave img_size "
                "out; smaller images are padded, resize larger ones."
            )
        return round_up(wanted, NOMINAL_STRIDE if self.rule.multiple == 1 else 1, self.rule)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, C, H, W) to maps (N, `channels[i]`, ⌈H ÷ `strides[i]`⌉, ⌈W ÷ `strides[i]`⌉), coarse to fine.

        Networks with unpadded convolutions (Inception, Xception) give a few cells fewer.
        """
        size = both(x.shape[-2:])
        target = self.padded_size(*size)
        maps = self._maps(pad_to(x, target))
        return maps if same_size(target, size) else [crop_padding(level, size, target) for level in maps]

    def _maps(self, x: Tensor) -> list[Tensor]:
        """Images of a size that the network takes to NCHW maps, coarse to fine."""
        maps = self.model(x)
        return [maps[i].permute(0, 3, 1, 2) if self._channels_last else maps[i] for i in self._indices]

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network runs at for images of that size.

        Raises:
            ConfigError: the images are larger than the one size the network was built for.
        """
        if self.fixed_size is None:
            return round_up((height, width), self.strides[0], self.rule)
        if height > self.fixed_size[0] or width > self.fixed_size[1]:
            raise ConfigError(
                f"{self.name} was built for {self.fixed_size[0]}×{self.fixed_size[1]} pixels and cannot take "
                f"{height}×{width}; "
                + ("resize the images." if self.rule.native_only else f"build it with img_size=({height}, {width}).")
            )
        return self.fixed_size

    def cell_grids(self, size: int | tuple[int, int]) -> tuple[CellGrid, ...]:
        """Which pixels the cells of each level are centred on.

        Images are padded at the right and bottom alone, to a size at which every stage halves evenly, so the grids of
        one network are the same at every size it takes.

        Args:
            size: pixels of the images, square or (H, W).

        Returns:
            A grid per level, coarse to fine, in pixels of the images.

        Raises:
            ConfigError: the network cannot take that size.

        Example:
            >>> Backbone("resnet18").cell_grids(224)[0]
            CellGrid(first=(0.0, 0.0), step=(32.0, 32.0))
        """
        self.padded_size(*as_pair("size", size))
        return self.grids

    def cells(self, size: int | tuple[int, int]) -> list[tuple[int, int]]:
        """(h, w) of each level's map, coarse to fine, for images of that size (a side, or (H, W)).

        Example:
            >>> Backbone("inception_v3").cells(299)[0]
            (8, 8)
        """
        sides = as_pair("size", size)
        target = self.padded_size(*sides)
        return [
            both(
                ceil_div(side * (whole // stride - lacking), whole)
                for side, whole, lacking in zip(sides, target, level.lacking, strict=True)
            )
            for level, stride in zip(self._levels, self.strides, strict=True)
        ]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute activations in the backward pass instead of keeping them.

        Raises:
            ConfigError: timm has no checkpointing for this architecture.
        """
        network: Any = self._inside("model", "body")[1]
        try:
            network.set_grad_checkpointing(enable)
        except (AssertionError, AttributeError) as error:
            raise ConfigError(f"timm has no gradient checkpointing for {self.name!r}; train without it.") from error

    def no_weight_decay(self) -> set[str]:
        """Names of parameters the architecture exempts from weight decay."""
        with torch.device("meta"):  # timm's extractors rename the parameters, and most drop the list
            whole: Any = create_network(self.name, in_chans=self.in_chans, **self._options)
        listed = whole.no_weight_decay() if hasattr(whole, "no_weight_decay") else ()
        patterns = [pattern.replace(".", "_") for pattern in listed]
        prefix = self._inside("model", "body")[0] + "."
        names = [name for name, _ in self.named_parameters()]
        return {
            name
            for name in names
            if any(fnmatchcase(name.removeprefix(prefix).replace(".", "_"), pattern) for pattern in patterns)
        }

    def first_conv(self) -> tuple[str, ...]:
        """Names of the layers that take the images, in this module; several where stems run side by side."""
        given = self.pretrained_cfg.get("first_conv") or ()
        flat = {name: "_" + name.replace(".", "_") for name, _ in self.named_modules()}
        found = []
        for stem in (given,) if isinstance(given, str) else given:
            # timm names it in the whole network: its extractors put wrappers before that and make dots underscores.
            ends = "_" + stem.replace(".", "_")
            found += sorted((name for name, path in flat.items() if path.endswith(ends)), key=len)[:1]
        return tuple(found)

    def _inside(self, *wrappers: str) -> tuple[str, nn.Module]:
        """The path and module of the network itself, inside those wrappers that are there."""
        module: nn.Module
        path, module = "model", self.model
        for wrapper in wrappers:
            if isinstance(inner := getattr(module, wrapper, None), nn.Module):
                path, module = f"{path}.{wrapper}", inner
        return path, module

    def depths(self, coarse: bool = False) -> dict[str, int]:
        """Module path → depth from the stem, in the order of the forward pass; blocks of a stage count one by one.

        Args:
            coarse: count children only, not their blocks.
        """
        prefix, root = self._inside("model", "body", "encoder")
        depths: dict[str, int] = {}
        for name, child in root.named_children():
            path = f"{prefix}.{name}"
            blocks = list(child.named_children()) if isinstance(child, (nn.Sequential, nn.ModuleList)) else []
            start = max(depths.values(), default=-1) + 1
            depths[path] = start
            if not coarse:
                depths.update({f"{path}.{block}": start + i for i, (block, _) in enumerate(blocks)})
        return depths


def _first_cause(error: BaseException) -> str:
    """What began it, in one line: the Hub's client wraps a server's answer in what it did about it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error).rstrip(".")


def _check_kwargs(options: dict[str, Any]) -> dict[str, Any]:
    for name in ("img_size", "in_chans", "pretrained"):
        if name in options:
            raise ConfigError(f"encoder_kwargs holds {name!r}, which is an option of its own; give it there.")
    return options
