"""Heatmaps that know nothing, the centre, or everything: the rows beside which a metric's number means something."""

from __future__ import annotations

import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.metrics.findings import Drawn, Regions, find_pairs, paint

CERTAIN = 200.0
"""A logit whose float32 sigmoid is exactly 1, and of whose negative exactly 0."""


def random_heatmaps(shape: tuple[int, int, int, int], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Independent standard normal logits: what an explanation that looked at nothing scores.

    Args:
        shape: (N, K, h, w). Coarse maps have larger blobs and another chance level, so take the model's own h and w.
        seed: the same seed and shape give the same maps on every device.
        device: where to put them.

    Returns:
        (N, K, h, w) float32.

    Raises:
        ConfigError: the shape has not four positive numbers.

    Example:
        >>> torch.equal(random_heatmaps((1, 2, 3, 4), seed=0), random_heatmaps((1, 2, 3, 4), seed=0))
        True
    """
    _check(shape)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


def centre_heatmaps(
    shape: tuple[int, int, int, int], sigma: float = 0.25, device: torch.device | str = "cpu"
) -> Tensor:
    """A Gaussian bump in the middle of the image for every class: what always pointing at the centre scores.

    Its sigmoid is 1/2 + a bump; with `activation=None` it is non-negative, at most 1.

    Args:
        shape: (N, K, h, w).
        sigma: of the bump, as a share of the map's sides.
        device: where to put them.

    Returns:
        (N, K, h, w) float32 in (0, 1], one map expanded over images and classes (do not write to it).

    Raises:
        ConfigError: the shape has not four positive numbers, or sigma is not positive.

    Example:
        >>> centre_heatmaps((1, 1, 3, 3))[0, 0].argmax()
        tensor(4)
    """
    _check(shape)
    if sigma <= 0:
        raise ConfigError(f"sigma={sigma} must be above 0, a share of the map's sides.")
    down, across = ((torch.arange(n, device=device) - (n - 1) / 2) / n for n in shape[2:])
    bump = torch.exp(-(down.square().unsqueeze(1) + across.square()) / (2 * sigma**2))
    return bump.expand(shape)


def oracle_heatmaps(regions: Regions, num_classes: int, size: tuple[int, int]) -> Tensor:
    """Heatmaps that are certain exactly where the finding is: what a perfect explanation scores, 1 for most metrics.

    Args:
        regions: N tensors (M, 5) of class, x0, y0, x1, y1 in pixels of `size`, masks (N, K, H, W), or both
            (`pylon_zoo.metrics.findings.drawn`).
        num_classes: K.
        size: (H, W).

    Returns:
        (N, K, H, W) float32 logits, 200 on the finding and -200 elsewhere, on the device of the regions.

    Raises:
        DataError: a box names a class outside [0, K), or shapes do not fit.

    Example:
        >>> oracle_heatmaps([torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]])], 1, (1, 3)).tolist()
        [[[[-200.0, 200.0, -200.0]]]]
    """
    images = regions.boxes if isinstance(regions, Drawn) else regions
    device = images[0].device if len(images) else torch.device("cpu")
    empty = torch.zeros(len(regions), num_classes, 1, 1, device=device)
    pairs, boxes, owner = find_pairs(empty, regions, num_classes, size)
    truth = torch.zeros(len(regions) * num_classes, *size, dtype=torch.bool, device=device)
    truth[pairs] = paint(regions, pairs, boxes, owner, num_classes, size)
    return (truth.view(len(regions), num_classes, *size).float() * 2 - 1) * CERTAIN


def _check(shape: tuple[int, int, int, int]) -> None:
    if len(shape) != 4 or min(shape) < 1:
        raise ConfigError(f"shape={shape} must be four positive numbers (N, K, h, w).")
