"""A model as one graph, image → logits and heatmap, for every batch and input size or for one size."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from pylon_zoo.deployment.optimization import OptimizedClassifier, optimize
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.modes import evaluating
from pylon_zoo.optional import require

INPUT, OUTPUTS = "image", ("logits", "heatmap")
MIN_SIDE = 32
"""Height and width in pixels from which on a graph for every size can be used."""
EXAMPLE_SIZE = (200, 330)  # what a graph for every size is recorded with: no side a multiple of a stride
CHECKED_BATCHES = (1, 5)
CHECKED_SIZES = ((224, 224), (256, 256), (300, 417))


class ImageToHeatmap(nn.Module):
    """What is exported: the optimized model as one function of the image, with both outputs.

    Args:
        model: with heatmaps; it is copied.

    Raises:
        ConfigError: the model has no heatmap.
    """

    def __init__(self, model: HeatmapClassifier) -> None:
        super().__init__()
        if not model.has_heatmap:
            raise ConfigError(f"{model.architecture} has no heatmap, so there is no model with heatmaps to export.")
        with evaluating(model):
            fast = model if isinstance(model, OptimizedClassifier) else optimize(model, channels_last=False)
        self.model = fast.cpu().eval()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (N, C, H, W) to logits (N, K) and heatmaps (N, K, h, w)."""
        return self.model.forward_with_heatmap(image)


def example(in_chans: int, batch: int, size: tuple[int, int]) -> Tensor:
    """Images of noise, always the same ones."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, in_chans, *size, generator=generator)


def checked_shapes(size: tuple[int, int] | None) -> list[tuple[int, tuple[int, int]]]:
    """The batches and sizes an export is checked at: several sizes, or the one it is made for."""
    return list(product(CHECKED_BATCHES, CHECKED_SIZES if size is None else (size,)))


def record(module: ImageToHeatmap, size: tuple[int, int] | None) -> ExportedProgram:
    """The graph by `torch.export`, of any batch size.

    Args:
        module: what to record.
        size: (height, width) in pixels of the only input size, or None for every size from `MIN_SIDE` up.

    Raises:
        MissingDependencyError: a torch whose `torch.export` cannot keep sizes open.
        ConfigError: the network decides by the input's size what to do, or does something that cannot be recorded.
    """
    spec = require("torch.fx.experimental.dynamic_spec", extra="export")
    sides = size or [spec.ShapeVar(name, min=MIN_SIDE) for name in ("height", "width")]
    channels = module.model.in_chans
    shapes = spec.ParamsSpec({INPUT: spec.TensorSpec([spec.ShapeVar("batch", min=1), channels, *sides])})
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                module, (example(channels, 2, size or EXAMPLE_SIZE),), dynamic_shapes=spec.ShapesSpec(params=shapes)
            )
    except Exception as error:  # networks fail in many ways; which line of timm it was tells the user nothing
        raise not_recordable(module, size, error) from error


def trace(module: ImageToHeatmap, size: tuple[int, int] | None) -> torch.jit.ScriptModule:
    """The graph by tracing: decisions that depend on the input's size stay as they were for the example.

    Raises:
        ConfigError: the network cannot be traced.
    """
    try:
        with quiet(), torch.no_grad():
            images = example(module.model.in_chans, 2, size or EXAMPLE_SIZE)
            traced: torch.jit.ScriptModule = torch.jit.trace(module, images, check_trace=False)
    except Exception as error:  # as above
        raise not_recordable(module, size, error) from error
    return traced


def not_recordable(module: ImageToHeatmap, size: tuple[int, int] | None, error: Exception) -> ConfigError:
    """What to tell whoever wanted a graph that cannot be had."""
    name = module.model.architecture
    reason = next(iter(str(error).strip().splitlines()), "")[:200]
    if size is None:
        return ConfigError(
            f"{name} cannot be exported for every input size ({type(error).__name__}: {reason}). "
            "Export it for one size: size=(H, W), or --size H W."
        )
    return ConfigError(f"{name} cannot be exported ({type(error).__name__}: {reason}); see docs/export.md.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to ourselves what exporters say about their own inner life; failures are raised all the same."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
