"""A classifier with the heatmaps of an attribution method: `explain` and `evaluate` take it instead of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from pylon_zoo.attribution.base import Attribution
from pylon_zoo.attribution.layers import LayerLike
from pylon_zoo.attribution.registry import create_attribution
from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import ACTIVATIONS, HeatmapClassifier, default_label_names
from pylon_zoo.models.notebook import model_html
from pylon_zoo.models.options import as_pair

NEEDED = ("num_classes", "pretrained_cfg")
"""What a classifier must say of itself, in timm's words."""


class AttributedClassifier(nn.Module):
    """Logits of a classifier with the heatmaps of an attribution method, in place of the model's own if it has any.

    Its attributes are those of `pylon_zoo.HeatmapModel`, of which one has another meaning.

    Args:
        model: a model of this library, or any classifier of timm's (whatever has `num_classes` and `pretrained_cfg`).
        method: a key of `pylon_zoo.attribution.ATTRIBUTIONS`.
        layer: as for `create_attribution`.
        label_names: K names; None are the model's, or `class_0` ….
        activation: `"sigmoid"` or `"softmax"`; None is the model's, and softmax for a model that says nothing.
        options: of the method (`relu`, `layout`, `placement`).

    Attributes:
        heatmap_unit: `"relevance"`: values that compare within one map only.

    Raises:
        UnknownNameError, ConfigError, MissingDependencyError: as for `create_attribution`, or a model that does not
            say how its input must look.

    Example:
        >>> import timm, torch
        >>> model = AttributedClassifier(timm.create_model("test_resnet", num_classes=3), "grad_cam")
        >>> logits, heatmap = model.forward_with_heatmap(torch.zeros(2, 3, 64, 96))
        >>> logits.shape, heatmap.shape
        (torch.Size([2, 3]), torch.Size([2, 3, 2, 3]))
    """

    heatmap_unit = "relevance"
    has_heatmap = True
    if TYPE_CHECKING:  # torch says no more than that a module can be called

        def __call__(self, x: Tensor) -> Tensor: ...

    def __init__(
        self,
        model: nn.Module,
        method: str,
        layer: LayerLike | Sequence[LayerLike] | None = None,
        *,
        label_names: Sequence[str] | None = None,
        activation: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        missing = [name for name in NEEDED if not hasattr(model, name)]
        if missing:
            raise ConfigError(
                f"{type(model).__name__} has no {' and no '.join(missing)}, so nothing says how its images must look. "
                "Take a model of this library or of timm, or call create_attribution(…)(images) yourself."
            )
        self.model = model
        self.attribution: Attribution = create_attribution(method, model, layer, **options)
        num_classes, cfg = (getattr(model, name) for name in NEEDED)
        ours = model if isinstance(model, HeatmapClassifier) else None
        self.num_classes: int = num_classes
        self.pretrained_cfg: dict[str, Any] = dict(cfg if isinstance(cfg, dict) else cfg.to_dict())
        self.in_chans: int = ours.in_chans if ours else self.pretrained_cfg["input_size"][0]
        name = (ours.architecture if ours else self.pretrained_cfg.get("architecture")) or type(model).__name__
        self.architecture = f"{name}, {method}"
        self.activation = activation or (ours.activation if ours else "softmax")
        if self.activation not in ACTIVATIONS:
            raise ConfigError(f"activation={activation!r} is not one of {', '.join(ACTIVATIONS)}.")
        self.thresholds: tuple[float, ...] | None = ours.thresholds if ours else None
        theirs = ours.label_names if ours else default_label_names(self.num_classes)
        self.label_names: tuple[str, ...] = tuple(label_names or theirs)
        if len(self.label_names) != self.num_classes:
            raise ConfigError(f"{len(self.label_names)} label names were given for {self.num_classes} classes.")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        logits: Tensor = self.model(x)
        return logits

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Heatmaps (N, K, h, w) float32 of all classes, raw."""
        return self.attribution(x)

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and heatmaps (N, K, h, w), both float32."""
        return self.attribution.with_logits(x)

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid | None:
        """Which pixels the heatmap's cells are centred on, whatever the layer.

        Args:
            size: pixels of the images, square or (H, W).

        Returns:
            The grid in pixels of the input; None for methods whose maps are pixels already.
        """
        like = next(self.model.parameters())
        return self.attribution.cell_grid(like.new_zeros(1, self.in_chans, *as_pair("size", size)))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits (N, K) to probabilities (N, K), float32 in [0, 1]."""
        return ACTIVATIONS[self.activation](logits.float())

    def _repr_html_(self) -> str:
        """How a notebook shows it, as it does a model of the zoo."""
        return model_html(self)
