"""The paper's Baseline: a linear head on the encoder's last map, pooled (Oquab et al. 2015; Zhou et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.backbone import Backbone
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.gap import GapBackbone
from pylon_zoo.models.heads import ConvHead


class LastMap(nn.Module):
    """The decoder that decodes nothing: the coarsest map of the pyramid, normalised where timm's classifier wants it.

    Args:
        norm: a module of maps, or None.
    """

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = norm or nn.Identity()

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid, coarse to fine, to its first map (N, C, h, w)."""
        out: Tensor = self.norm(pyramid[0])
        return out


class CamClassifier(HeatmapClassifier):
    """Class activation maps as the output of a classifier.

    Args:
        encoder: backbone whose coarsest map is classified position by position.
        num_classes: K.
        timm_classifier: the head is timm's own classifier, and the map what that reads; for networks that classify the
            average of their last map (`pylon_zoo.models.gap`), whose logits `pooling="avg"` then reproduces. None is
            True where timm's weights are loaded (`encoder_pretrained`) for as many classes as they have.
        pooling: `"max"` is the paper's Baseline, `"avg"` the original CAM.
        pooling_kwargs: options of the pooling.
        activation: `"sigmoid"` or `"softmax"`.

    Raises:
        ConfigError: timm's classifier is wanted on an encoder that ends before it.

    Example:
        >>> import torch
        >>> model = CamClassifier(Backbone("test_resnet", output_stride=None), num_classes=14)
        >>> model.forward_heatmap(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 14, 2, 2])
    """

    def __init__(
        self,
        encoder: Backbone,
        num_classes: int,
        *,
        timm_classifier: bool | None = None,
        pooling: str = "max",
        pooling_kwargs: Mapping[str, Any] | None = None,
        activation: str = "sigmoid",
    ) -> None:
        super().__init__(encoder, num_classes, pooling=pooling, pooling_kwargs=pooling_kwargs, activation=activation)
        if timm_classifier:
            if not isinstance(encoder, GapBackbone):
                raise ConfigError(
                    f"timm_classifier=True, but this {encoder.name} ends before its classifier, as each with a "
                    "coarsest_stride does; leave one of the two options out."
                )
            norm, classifier = encoder.detach_classifier()
            self.decoder = LastMap(norm)
            same = classifier.out_channels == num_classes
            self.head = classifier if same else self.build_head(num_classes) if num_classes else nn.Identity()
        else:
            self.decoder = LastMap()
            self.head = self.build_head(num_classes) if num_classes else nn.Identity()

    @property
    def num_features(self) -> int:
        """Channels of the encoder's last map."""
        return self.encoder.channels[0]

    def build_head(self, num_classes: int) -> nn.Module:
        """A 1×1 head with PyTorch's default initialisation, as in the authors' Baseline."""
        return ConvHead.default_initialized(self.num_features, num_classes)
