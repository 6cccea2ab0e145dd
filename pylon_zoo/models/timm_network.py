"""timm's networks as a type checker may know them: timm makes plain modules, but each has what stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import timm
from torch import Tensor, nn

if TYPE_CHECKING:
    from timm.models import FeatureInfo


class TimmNetwork(nn.Module):
    """What timm's networks have besides being modules; a description, from which nothing is built.

    Attributes:
        pretrained_cfg: timm's description of the network and its input.
        feature_info: strides and channels of a feature extractor's maps.
        get_classifier: the layer that gives the logits.
        forward_features: images to what comes before the pooling.
    """

    pretrained_cfg: dict[str, Any]
    feature_info: FeatureInfo
    if TYPE_CHECKING:

        def get_classifier(self) -> nn.Module: ...
        def forward_features(self, x: Tensor) -> Tensor: ...


def create_network(name: str, **options: Any) -> TimmNetwork:
    """`timm.create_model`, which takes the same."""
    return cast(TimmNetwork, timm.create_model(name, **options))  # timm says `nn.Module`, whatever it makes
