"""Building blocks shared by the decoders: normalisation that survives one value, ConvReLU, resampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.amp import is_autocast_available

from pylon_zoo.cells import Pair, both
from pylon_zoo.models.sizes import ceil_div

AUTOCAST = {kind: is_autocast_available(kind) for kind in ("cpu", "cuda", "mps", "xpu", "meta")}
"""Kind of device → whether it has autocast; asked here, because asking breaks a compiled graph in PyTorch 2.11."""
Places = tuple[Pair, Pair]
"""For the vertical and the horizontal axis: where the first of some cells lies and their step, in cells of a map."""


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that uses its running statistics where a training batch holds one value per channel.

    PyTorch refuses that case; it happens in the pyramid attention's innermost map with one 256-pixel image.

    Example:
        >>> import torch
        >>> BatchNorm2d(8).train()(torch.zeros(1, 8, 1, 1)).shape
        torch.Size([1, 8, 1, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise maps (N, C, h, w)."""
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


class GroupNorm(nn.GroupNorm):
    """Group normalisation, `groups` groups or as many as divide the channels, that lets a group of one value through.

    One value minus its mean is nothing, and PyTorch refuses a batch of it; the affine transform remains.

    Example:
        >>> import torch
        >>> GroupNorm(1)(torch.full((1, 1, 1, 1), 3.0)).item()
        3.0
    """

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(gcd(groups, channels), channels)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise maps (N, C, h, w)."""
        if self.num_channels == self.num_groups and input.shape[2] * input.shape[3] == 1:
            return input * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return super().forward(input)


NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": BatchNorm2d, "group": GroupNorm}


class ConvNormReLU(nn.Sequential):
    """The paper's ConvReLU: a convolution with bias, a normalisation, ReLU (Figure 1B).

    The map keeps its size, but for a `stride`: ⌈h ÷ stride⌉ cells, the first of them where it was.

    Example:
        >>> import torch
        >>> ConvNormReLU(4, 2, kernel=3)(torch.zeros(1, 4, 5, 7)).shape
        torch.Size([1, 2, 5, 7])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, norm: str = "batch", stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
        self.norm = NORMS[norm](out_channels)
        self.act = nn.ReLU(inplace=True)


def exporting() -> bool:
    """Whether `torch.export` records a graph that has to serve every size.

    PyTorch 2.11 says so to `torch.compile` as well (2.14 does not any more), whose graphs need not; and the gradient of
    what stands in for the export failed there, on maps that are channels-last.
    """
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()


def halve(maps: Tensor) -> Tensor:
    """2×2 max pooling that never empties a map: an odd side rounds up, so one cell stays one cell."""
    if exporting():  # the same with sizes that can be reasoned about: a line more, and round down
        return F.max_pool2d(F.pad(maps, (0, 1, 0, 1), mode="replicate"), 2)
    return F.max_pool2d(maps, 2, ceil_mode=True)


def same_size(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether work on a map can be left out because it has the size already; never in a graph that is recorded.

    A graph has to serve every size, so the work must be in it; where the sizes are equal it changes nothing.
    """
    return not (exporting() or torch.jit.is_tracing()) and tuple(size) == tuple(other)


def resize_like(maps: Tensor, reference: Tensor) -> Tensor:
    """Bilinear upsampling of (N, C, h, w) to the size of `reference`, corners aligned as in the paper's decoder."""
    height, width = size = both(reference.shape[-2:])
    if same_size(both(maps.shape[-2:]), size):
        return maps
    if not exporting():
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
    # Of one cell the scale is another formula; the first of two is the same cell.
    resized = F.interpolate(maps, size=(max(height, 2), max(width, 2)), mode="bilinear", align_corners=True)
    return first_cells(resized, height, width)


def resample_like(maps: Tensor, reference: Tensor, places: Places) -> Tensor:
    """Maps (N, C, h, w) on the cells of `reference`: bilinear between centres, the outermost repeated beyond theirs.

    Two products with matrices that depend on sizes and places alone. That is faster than interpolation where a
    channel's cells lie side by side, exact where sums of maps are resampled, and nothing that exporters do not know.

    Args:
        maps: (N, C, h, w).
        reference: (N, C', h', w').
        places: of the cells of `reference` among those of `maps`, see `pylon_zoo.cells.positions`.

    Example:
        >>> half = ((0.0, 0.5), (0.0, 0.5))
        >>> resample_like(torch.tensor([[[[0.0, 4.0]]]]), torch.zeros(1, 1, 1, 4), half)
        tensor([[[[0., 2., 4., 4.]]]])
    """
    batch, channels, height, width = maps.shape
    sizes = zip((height, width), reference.shape[-2:], places, strict=True)
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing() or type(maps) is not Tensor
    weigh = axis_weights if recorded else kept_weights
    down, across = (weigh(cells, wanted, place, maps.dtype, maps.device) for cells, wanted, place in sizes)
    with without_autocast(maps.device.type):  # whose precision would be lower than the maps'
        if recorded or maps.is_contiguous() or not maps.is_contiguous(memory_format=torch.channels_last):
            return down @ (maps @ across.T)
        lines = down @ maps.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        cells = across @ lines.view(batch * len(down), width, channels)
        return cells.view(batch, len(down), len(across), channels).permute(0, 3, 1, 2)


def axis_weights(cells: int, wanted: int, place: Pair, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix (`wanted`, `cells`) that resamples one axis; rows add up to 1.

    Args:
        cells: how many there are.
        wanted: how many are wanted.
        place: of the first one wanted, and their step, in cells.
        dtype, device: of the matrix.

    Example:
        >>> axis_weights(2, 3, (0.0, 0.5), torch.float32, torch.device("cpu"))
        tensor([[1.0000, 0.0000],
                [0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    at = (torch.arange(wanted, device=device) * place[1] + place[0]).clamp(min=0).clamp(max=cells - 1)
    return (1 - (at.unsqueeze(1) - torch.arange(cells, device=device)).abs()).clamp(min=0).to(dtype)


WeightsKey = tuple[int, int, Pair, torch.dtype, torch.device]
_owned: ContextVar[dict[WeightsKey, Tensor] | None] = ContextVar("owned weights", default=None)


@contextmanager
def keeping_weights(kept: dict[WeightsKey, Tensor]) -> Iterator[None]:
    """Inside, matrices that resample are made once into `kept`, for whoever must say how long they live."""
    token = _owned.set(kept)
    try:
        yield
    finally:
        _owned.reset(token)


def kept_weights(cells: int, wanted: int, place: Pair, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`axis_weights`, made once: a map's sizes come again and again."""
    kept = _owned.get()
    if kept is None:
        return _shared_weights(cells, wanted, place, dtype, device)
    key = (cells, wanted, place, dtype, device)
    if key not in kept:
        kept[key] = _lasting_weights(*key)
    return kept[key]


@torch.inference_mode(False)  # or training could not use what inference made
def _lasting_weights(cells: int, wanted: int, place: Pair, dtype: torch.dtype, device: torch.device) -> Tensor:
    return axis_weights(cells, wanted, place, dtype, device)


_shared_weights = lru_cache(maxsize=256)(_lasting_weights)


def pad_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) with zeros at the right and bottom up to `size`, (height, width)."""
    height, width = x.shape[-2:]
    return x if same_size(size, (height, width)) else F.pad(x, (0, size[1] - width, 0, size[0] - height))


def crop_padding(maps: Tensor, size: tuple[int, int], padded: tuple[int, int]) -> Tensor:
    """The part (N, C, h, w) of maps of padded images that shows the images themselves, partly covered cells included.

    Args:
        maps: of images of the size `padded`.
        size: (height, width) of the images before padding.
        padded: and after.

    Example:
        >>> crop_padding(torch.zeros(1, 2, 10, 14), (300, 417), (320, 448)).shape
        torch.Size([1, 2, 10, 14])
    """
    if exporting():  # sizes that can be reasoned about; the same but for unpadded convolutions
        strides = [whole // cells for whole, cells in zip(padded, maps.shape[-2:], strict=True)]
        height, width = (ceil_div(side, stride) for side, stride in zip(size, strides, strict=True))
    else:
        height, width = (
            ceil_div(side * cells, whole) for side, cells, whole in zip(size, maps.shape[-2:], padded, strict=True)
        )
    return first_cells(maps, height, width)


def first_cells(maps: Tensor, height: int, width: int) -> Tensor:
    """The top left (N, C, height, width) of maps; a slice would leave torch.export in doubt about the size."""
    return maps.narrow(2, 0, height).narrow(3, 0, width)


def without_autocast(device_type: str) -> AbstractContextManager[None]:
    """A context in which layers keep the precision of their weights, on any device, also one that has no autocast."""
    available = AUTOCAST[device_type] if device_type in AUTOCAST else is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if available else nullcontext()


def initialize_decoder(module: nn.Module) -> None:
    """Kaiming-uniform convolutions, unit norms and zero biases, as in the authors' decoder."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
