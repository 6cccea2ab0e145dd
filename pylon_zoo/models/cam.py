"""The paper's Baseline: a linear head on the encoder's last map, pooled (Oquab et al. 2015; Zhou et al. 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead


class LastMap(nn.Module):
    """The decoder that decodes nothing: the coarsest map of the pyramid."""

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid, coarse to fine, to its first map (N, C, h, w)."""
        return pyramid[0]


class CamClassifier(HeatmapClassifier):
    """Class activation maps as the output of a classifier.

    Args:
        encoder: backbone whose coarsest map is classified position by position.
        num_classes: K.
        pooling: `"max"` is the paper's Baseline, `"avg"` the original CAM.
        activation: `"sigmoid"` or `"softmax"`.

    Example:
        >>> import torch
        >>> model = CamClassifier(Backbone("test_resnet", output_stride=None), num_classes=14)
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 14, 2, 2])
    """

    def __init__(
        self, encoder: Backbone, num_classes: int, *, pooling: str = "max", activation: str = "sigmoid"
    ) -> None:
        super().__init__(encoder, num_classes, pooling=pooling, activation=activation)
        self.decoder = LastMap()
        # PyTorch's default initialisation, as in the authors' Baseline.
        self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the encoder's last map."""
        return self.encoder.channels[0]

    def build_head(self, num_classes: int) -> nn.Module:
        """A 1×1 head with PyTorch's default initialisation."""
        head = ConvHead(self.num_features, num_classes)
        head.reset_parameters()
        return head
