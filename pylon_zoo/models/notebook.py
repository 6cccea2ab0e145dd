"""How a notebook shows a model: what one asks of it first, in place of PyTorch's list of layers."""

from __future__ import annotations

import torch

from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.models.modes import evaluating
from pylon_zoo.pages import render

NAMES = 12
"""Classes that are named; further ones are counted."""


def model_html(model: HeatmapModel) -> str:
    """A table as a piece of HTML: architecture, parameters, classes, input and heatmap. Names are escaped.

    The heatmap's size is that of a black image at the model's own input size, so this costs one pass.

    Args:
        model: whatever gives heatmaps; its mode is restored.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> html = model_html(build_model("pylon_test_resnet", 2, label_names=["crack", "dent"]))
        >>> "<td>pylon_test_resnet</td>" in html, "<td>2: crack, dent</td>" in html
        (True, True)
    """
    return render("notebook/model.html", facts=facts_of(model))


def facts_of(model: HeatmapModel) -> dict[str, str]:
    """What the table says, name → value."""
    parameters = list(model.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    megabytes = sum(parameter.numel() * parameter.element_size() for parameter in parameters) / 1e6
    height, width = model.pretrained_cfg["input_size"][1:]
    return {
        "Model": model.architecture or type(model).__name__,
        "Parameters": f"{count:,} ({megabytes:.1f} MB)",
        "Classes": _classes(model.label_names),
        "Input": f"{width} × {height} px, {model.in_chans} channel{'s' * (model.in_chans != 1)}",
        "Heatmap": _heatmap(model, (height, width)),
        "Probabilities": f"{model.activation}; {'a threshold for each class' if model.thresholds else 'no thresholds'}",
    }


def _classes(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{len(names)}: {', '.join(names[:NAMES])}{more}" if names else "none"


def _heatmap(model: HeatmapModel, size: tuple[int, int]) -> str:
    if not model.has_heatmap:
        return "none"
    like = next(model.parameters())
    with evaluating(model), torch.inference_mode():
        shape = model.forward_heatmap(like.new_zeros(1, model.in_chans, *size)).shape
    return f"{shape[3]} × {shape[2]} cells; values: {model.heatmap_unit}"
