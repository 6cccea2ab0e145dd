"""What deletion, insertion and masked-out area share: pixels in heatmap order, and images without the first of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics.geometry import upsample

Classifier = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) → logits (N, K)."""


def groups(count: int, size: int) -> list[Tensor]:
    """0 to count - 1 in runs of at most `size`; none at all for 0.

    Example:
        >>> groups(3, 2), groups(0, 2)
        ([tensor([0, 1]), tensor([2])], [])
    """
    return list(torch.arange(count).split(size)) if count else []


def heatmap_order(heatmaps: Tensor, size: tuple[int, int], grid: CellGrid | None = None) -> Tensor:
    """The rank of each pixel when the heatmap, bilinearly at image size, is read from its strongest pixel down.

    Equal pixels come in raster order. The raw heatmap is sorted: a sigmoid would keep the order and add ties.

    Args:
        heatmaps: (P, h, w) floating point.
        size: (H, W).
        grid: of the cells, see `pylon_zoo.cells.to_pixels`.

    Returns:
        (P, H, W) int64 in [0, H·W), 0 for the strongest pixel.

    Raises:
        DataError: a heatmap is not finite.

    Example:
        >>> heatmap_order(torch.tensor([[[1.0, 5.0, 3.0]]]), (1, 3)).tolist()
        [[[2, 0, 1]]]
    """
    order = upsample(heatmaps.float(), size, grid).flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, ranks).view(len(heatmaps), *size)


def fill_value(fill: str | Tensor | float, mean: Tensor | None, std: Tensor | None, images: Tensor) -> Tensor:
    """What a masked pixel becomes, in normalised space, broadcastable to (N, C, H, W).

    Args:
        fill: `"normalised"`: 0 after normalisation, the mean grey; `"raw"`: 0 before it, black, which is -mean ÷ std;
            or the value itself, a number or (C,).
        mean: (C,) of the normalisation, needed for `"raw"`.
        std: (C,), likewise.
        images: (N, C, H, W) whose dtype and device the value takes.

    Raises:
        ConfigError: unknown fill, `"raw"` without mean and std, or a wrong number of channels.
    """
    if fill == "raw":
        if mean is None or std is None:
            raise ConfigError("fill='raw' is black before normalisation; give the model's mean and std.")
        value = -torch.as_tensor(mean).float() / torch.as_tensor(std).float()
    elif isinstance(fill, str) and fill != "normalised":
        raise ConfigError(f"fill={fill!r} is not 'normalised', 'raw', or a value.")
    else:
        value = torch.as_tensor(0.0 if isinstance(fill, str) else fill)
    value = value.to(images).flatten()
    if len(value) not in (1, images.shape[1]):
        raise ConfigError(f"fill has {len(value)} channels, but the images have {images.shape[1]}.")
    return value.view(1, -1, 1, 1)


def check_pairs(images: Tensor, heatmaps: Tensor, targets: Tensor) -> None:
    """Whether images (N, C, H, W), heatmaps (N, K, h, w) and targets (N, K) belong together.

    Raises:
        DataError: they do not.
    """
    fits = images.ndim == 4 and heatmaps.ndim == 4 and targets.shape == heatmaps.shape[:2]
    if not fits or len(images) != len(heatmaps):
        raise DataError(
            "Masking needs images (N, C, H, W), heatmaps (N, K, h, w) and targets (N, K); got "
            f"{tuple(images.shape)}, {tuple(heatmaps.shape)} and {tuple(targets.shape)}."
        )


def all_logits(model: Classifier, images: Tensor, num_classes: int, batch_size: int) -> Tensor:
    """Logits (B, K) float32 of images (B, C, H, W), computed `batch_size` images at a time.

    Raises:
        DataError: the model's output is not (B, K), or not finite.
    """
    parts = [torch.zeros(0, num_classes, device=images.device)]
    for chunk in images.split(batch_size) if len(images) else ():
        logits = model(chunk)
        if logits.shape != (len(chunk), num_classes):
            raise DataError(f"The model gave {tuple(logits.shape)} for {len(chunk)} images and {num_classes} classes.")
        parts.append(logits.float())
    logits = torch.cat(parts)
    if not bool(logits.isfinite().all()):
        raise DataError("The model gave NaN or infinity. Look for a diverged model, or a fill it never saw.")
    return logits


def logits_of(model: Classifier, images: Tensor, labels: Tensor, num_classes: int, batch_size: int) -> Tensor:
    """The logit (B,) of one class (B,) per image; otherwise as `all_logits`."""
    return all_logits(model, images, num_classes, batch_size).gather(1, labels.unsqueeze(1)).squeeze(1)
