"""Training and evaluation mode, put back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from pylon_zoo.models.heatmap_model import HeatmapModel


@contextmanager
def evaluating(model: nn.Module | HeatmapModel) -> Iterator[None]:
    """Evaluation mode inside; afterwards every submodule has the mode it had, even where modes were mixed.

    Example:
        >>> model = nn.Dropout().train()
        >>> with evaluating(model):
        ...     print(model.training)
        False
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
