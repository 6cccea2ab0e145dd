"""From a heatmap to one logit per class.

A new pooling is one class and one line in `POOLINGS`.
"""

from __future__ import annotations

from torch import Tensor, nn

from pylon_zoo.errors import UnknownNameError, suggest


class MaxPooling(nn.Module):
    """Global maximum: the class is where its brightest cell is (paper, "Proposed model"; Figure 1B, Global Maxpool).

    Example:
        >>> import torch
        >>> MaxPooling()(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[3.]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return maps.amax(dim=(2, 3))


class AveragePooling(nn.Module):
    """Global average: the original CAM (Zhou et al. 2016).

    Example:
        >>> import torch
        >>> AveragePooling()(torch.tensor([[[[0.0, 3.0], [1.0, 2.0]]]]))
        tensor([[1.5000]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (N, C, h, w) to (N, C)."""
        return maps.mean(dim=(2, 3))


POOLINGS: dict[str, type[nn.Module]] = {"max": MaxPooling, "avg": AveragePooling}


def build_pooling(name: str) -> nn.Module:
    """The pooling of that name.

    Args:
        name: a key of `POOLINGS`.

    Raises:
        UnknownNameError: no pooling has that name.

    Example:
        >>> build_pooling("max")
        MaxPooling()
    """
    if name not in POOLINGS:
        raise UnknownNameError(
            f"Unknown pooling {name!r}.{suggest(str(name), POOLINGS)} Valid for pooling=: {', '.join(POOLINGS)}."
        )
    return POOLINGS[name]()
