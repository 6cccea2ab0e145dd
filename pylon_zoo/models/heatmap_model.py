"""Whatever gives heatmaps: what `explain`, `evaluate` and all that shows or judges heatmaps takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from pylon_zoo.cells import HasCells


@runtime_checkable
class HeatmapModel(HasCells, Protocol):
    """Images in, class heatmaps and logits out, with what must be known to use them.

    Models of the zoo (`HeatmapClassifier`), attribution methods (`AttributedClassifier`) and exported files
    (`OnnxModel`) are three ways to obey it. It is a structural type: a module of your own that has these members is
    one too, without a base class, and `explain` and `evaluate` take it.

    Attributes:
        architecture: what results call the model.
        num_classes: K.
        label_names: K names.
        in_chans: channels of the images.
        pretrained_cfg: timm's description of the input: `input_size` (C, H, W) in pixels, `mean` and `std` per channel
            of values in [0, 1], `interpolation`.
        activation: how logits become probabilities, `"sigmoid"` or `"softmax"`.
        thresholds: K probabilities from which on a class counts as found; None where nobody chose any.
        has_heatmap: whether it gives heatmaps, which not every model of the zoo does; else logits alone.
        heatmap_unit: what their values are: `"logit"`, of each place alone, or `"relevance"`, which compares within one
            map only.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> def brightest(model: HeatmapModel, images: Tensor) -> str:
        ...     return model.label_names[int(model.forward_heatmap(images).amax(dim=(2, 3)).argmax())]
        >>> model = build_model("pylon_test_resnet", num_classes=1, label_names=["mass"])
        >>> isinstance(model, HeatmapModel), brightest(model, torch.zeros(1, 3, 64, 64))
        (True, 'mass')
    """

    @property
    def architecture(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...
    @property
    def in_chans(self) -> int: ...
    @property
    def pretrained_cfg(self) -> Mapping[str, Any]: ...
    @property
    def activation(self) -> str: ...
    @property
    def thresholds(self) -> tuple[float, ...] | None: ...
    @property
    def has_heatmap(self) -> bool: ...
    @property
    def heatmap_unit(self) -> str: ...

    def __call__(self, x: Tensor, /) -> Tensor:
        """Logits (N, K), float32, of normalised images (N, C, H, W)."""

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Heatmaps (N, K, h, w), float32, raw, of normalised images (N, C, H, W)."""

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and heatmaps (N, K, h, w), both float32, from one pass."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1]."""

    # What PyTorch's modules have: where the model is, and the mode that is put back afterwards.

    def parameters(self) -> Iterator[nn.Parameter]:
        """At least one: images go to the device and precision of the first."""

    def modules(self) -> Iterator[nn.Module]:
        """Those whose mode is put back."""

    def eval(self) -> Self:
        """Evaluation mode."""

    def to(self, device: torch.device | str, /) -> Self:
        """The model on another device."""
