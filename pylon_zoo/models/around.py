"""The base of modules that stand around a model and answer in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from pylon_zoo.models.heatmap_model import HeatmapModel


class ModelAround(nn.Module):
    """A module around a model, which says of itself what the model says: labels, thresholds, description of the input.

    What it gives of images is up to who derives from it.

    Args:
        model: whatever gives heatmaps.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> ModelAround(build_model("pylon_test_resnet", num_classes=1, label_names=["mass"])).label_names
        ('mass',)
    """

    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> Tensor: ...

    def __init__(self, model: HeatmapModel) -> None:
        super().__init__()
        self.model = model
        self.architecture = model.architecture
        self.label_names = model.label_names
        self.num_classes = model.num_classes
        self.in_chans = model.in_chans
        self.activation = model.activation
        self.thresholds = model.thresholds
        self.heatmap_unit = model.heatmap_unit
        self.has_heatmap = model.has_heatmap
        self.pretrained_cfg: Mapping[str, Any] = model.pretrained_cfg

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1]."""
        return self.model.probabilities(logits)
