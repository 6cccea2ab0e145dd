"""Golden outputs: a fixed input and what the model made of it, kept beside the weights.

A hash says that the bytes are right; this, that they still mean the same on another machine and with other versions.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from pylon_zoo.errors import WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.modes import evaluating
from pylon_zoo.weights.checkpoint import parse_weights

SIDE = 64  # pixels; every model takes them, and the file stays small
TOLERANCE = 1e-4  # of the largest output: what other orders of summation may change


def golden_bytes(model: HeatmapClassifier) -> bytes:
    """The content of `golden.safetensors`: `input` (1, C, 64, 64), `logits` (1, K) and, if any, `heatmap` (1, K, h, w).

    The input is noise with mean 0 and standard deviation 1, as normalised images have; always the same.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> sorted(parse_weights(golden_bytes(build_model("pylon_test_resnet", 2)), "golden"))
        ['heatmap', 'input', 'logits']
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, model.in_chans, SIDE, SIDE, generator=generator)
    return save({"input": images, **_outputs(model, images)}, metadata={"format": "pt"})


def check_golden(model: HeatmapClassifier, content: bytes, where: Path | str) -> float:
    """Compare a model with its golden outputs.

    Args:
        model: on the CPU, float32.
        content: the bytes of `golden.safetensors`.
        where: what to call the file in errors.

    Returns:
        The greatest difference, as a share of the largest golden value.

    Raises:
        WeightsError: it holds other things, or an output differs by more than `TOLERANCE`; names which and by how much.
    """
    golden = parse_weights(content, where)
    try:
        outputs = _outputs(model, golden.pop("input"))
        shapes = {name: tensor.shape for name, tensor in outputs.items()}
    except (KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{where} holds no input of this model ({error}). Publish the weights again.") from error
    if shapes != {name: tensor.shape for name, tensor in golden.items()}:
        raise WeightsError(f"{where} holds {', '.join(golden)} of other shapes than the model's. Publish again.")
    differences = {name: _difference(outputs[name], tensor) for name, tensor in golden.items()}
    name, worst = max(differences.items(), key=lambda one: one[1])
    if not worst <= TOLERANCE:
        raise WeightsError(
            f"The {name} differs from those in {where} by {worst:.1e} of the largest value, where {TOLERANCE:.0e} are "
            "allowed: this version of pylon_zoo, timm or torch computes something else. Compare their versions."
        )
    return worst


def _outputs(model: HeatmapClassifier, images: Tensor) -> dict[str, Tensor]:
    with evaluating(model), torch.inference_mode():
        if not model.has_heatmap:
            return {"logits": model(images)}
        logits, heatmap = model.forward_with_heatmap(images)
    return {"logits": logits.contiguous(), "heatmap": heatmap.contiguous()}


def _difference(found: Tensor, golden: Tensor) -> float:
    return float((found - golden).abs().max() / golden.abs().max().clamp_min(1e-6))
