"""What the page can show maps of: each model's own, and those of attribution methods on the same model."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from torch import Tensor

from pylon_zoo.attribution import AttributedClassifier
from pylon_zoo.cells import CellGrid
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.around import ModelAround
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.pylon import Pylon

if TYPE_CHECKING:
    from pylon_zoo.models.contract import HeatmapClassifier

METHODS = ("grad_cam", "grad_cam++", "xgrad_cam", "hires_cam", "layer_cam")
"""Those of the attribution methods that need one pass and no further package, so that nobody waits."""


def open_sources(models: Mapping[str, HeatmapClassifier]) -> dict[str, OneAtATime]:
    """Whatever gives maps, by the name that the page calls it.

    Args:
        models: name → model with its weights; evaluation mode is set here, and stays.

    Returns:
        Every model by its name, then every model with every method of `METHODS` as `"NAME · METHOD"`. Those of one
        model share a lock.

    Raises:
        ConfigError: a model without heatmaps.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> list(open_sources({"small": build_model("pylon_test_resnet", 2)}))[:2]
        ['small', 'small · grad_cam']
    """
    sources: dict[str, OneAtATime] = {}
    locks = {name: Lock() for name in models}
    for name, model in models.items():
        if not model.has_heatmap:
            raise ConfigError(
                f"{name!r} has no heatmaps, and they are what the app shows: give a model with a heatmap head "
                "(head_mlp_layers=0)."
            )
        sources[name] = OneAtATime(model.eval(), locks[name])
    for name, model in models.items():
        for method in METHODS:
            sources[f"{name} · {method}"] = OneAtATime(AttributedClassifier(model, method).eval(), locks[name])
    return sources


class OneAtATime(ModelAround):
    """A model that several threads may use: whoever comes while it works waits.

    Args:
        model: whatever gives heatmaps, in evaluation mode.
        lock: held while it works; shared by what shares a network.
    """

    def __init__(self, model: HeatmapModel, lock: Lock) -> None:
        super().__init__(model)
        self._lock = lock

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        with self._lock:
            return self.model(x)

    def forward_heatmap(self, x: Tensor) -> Tensor:
        """Heatmaps (N, K, h, w), raw."""
        with self._lock:
            return self.model.forward_heatmap(x)

    def forward_with_heatmap(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and heatmaps (N, K, h, w), from one pass."""
        with self._lock:
            return self.model.forward_with_heatmap(x)

    def forward_levels(self, x: Tensor) -> list[Tensor] | None:
        """What each level contributes, coarse to fine, each (N, K, h, w); None for what has no levels.

        The first holds no bias, unlike that of `pylon_zoo.models.pylon.Pylon.forward_levels`.
        """
        if not isinstance(self.model, Pylon):
            return None
        assert isinstance(self.model.head, ConvHead)  # as of every one that has heatmaps
        with self._lock:
            first, *finer = self.model.forward_levels(x)
        return [first - self.model.head.bias.float()[:, None, None], *finer]

    def cell_grid(self, size: int | tuple[int, int]) -> CellGrid | None:
        """Which pixels the heatmap's cells are centred on; a method may have to run the model to know."""
        with self._lock:
            return self.model.cell_grid(size)
