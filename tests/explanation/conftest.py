"""A model whose heatmap the test chooses, and a real small one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier


class FixedModel(nn.Module):
    """Gives the same max-pooled heatmap (K, h, w) for every image."""

    in_chans = 1
    architecture = "fixed"
    heatmap_unit = "logit"
    thresholds: tuple[float, ...] | None = None

    def __init__(self, heatmap: Tensor, label_names: tuple[str, ...], activation: str) -> None:
        super().__init__()
        self.register_buffer("heatmap", heatmap)
        self.scale = nn.Parameter(torch.ones(()))
        self.label_names = label_names
        self.num_classes = len(label_names)
        self.activation = activation
        self.pretrained_cfg = {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.25,), "interpolation": "bicubic"}

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        heatmaps = (self.heatmap * self.scale).expand(len(x), *self.heatmap.shape)
        return heatmaps.amax((2, 3)), heatmaps

    def cell_grid(self, size: int | tuple[int, int]) -> None:
        """Cells tile the image."""

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid() if self.activation == "sigmoid" else logits.float().softmax(1)


@pytest.fixture
def fixed_model() -> Callable[..., FixedModel]:
    """`fixed_model(heatmap (K, h, w), labels=None, activation="sigmoid")`."""

    def build(heatmap: Tensor, labels: tuple[str, ...] | None = None, activation: str = "sigmoid") -> FixedModel:
        names = labels or tuple(f"class_{index}" for index in range(len(heatmap)))
        return FixedModel(heatmap.float(), names, activation)

    return build


@pytest.fixture(scope="session")
def small_model() -> HeatmapClassifier:
    """A real PYLON on timm's smallest ResNet, untrained, 1 channel, three labels."""
    torch.manual_seed(0)
    return build_model("pylon_test_resnet", 3, in_chans=1, label_names=("nodule", "mass", "effusion")).eval()
