"""Prediction heads: from the decoder's map to the class heatmap, or, with an MLP, straight to logits."""

from __future__ import annotations

from torch import nn


class ConvHead(nn.Conv2d):
    """A convolution without activation: maps (N, C, h, w) to raw class logits (N, K, h, w) (paper, Figure 1B).

    Example:
        >>> import torch
        >>> ConvHead(128, 14)(torch.zeros(1, 128, 8, 8)).shape
        torch.Size([1, 14, 8, 8])
    """

    bias: nn.Parameter

    def __init__(self, channels: int, num_classes: int, kernel: int = 1) -> None:
        super().__init__(channels, num_classes, kernel, padding=kernel // 2)
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    @classmethod
    def default_initialized(cls, channels: int, num_classes: int) -> ConvHead:
        """A 1×1 head with PyTorch's own initialisation of convolutions instead of Xavier's."""
        head = cls(channels, num_classes)
        head.reset_parameters()
        return head


class MlpHead(nn.Sequential):
    """The ablation's head: linear layers with ReLU between them, on the pooled map (paper, "Ablation analyses").

    Takes (N, C) and gives (N, K); it has no heatmap, because the layers between pooling and logits mix positions.

    Example:
        >>> import torch
        >>> MlpHead(128, 14, layers=2)(torch.zeros(3, 128)).shape
        torch.Size([3, 14])
    """

    def __init__(self, channels: int, num_classes: int, layers: int) -> None:
        hidden: list[nn.Module] = []
        for _ in range(layers - 1):
            hidden += [nn.Linear(channels, channels), nn.ReLU(inplace=True)]
        super().__init__(*hidden, nn.Linear(channels, num_classes))
