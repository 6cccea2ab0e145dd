"""What an exported file says about itself, so that it can be used without this library: JSON texts by key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.models.contract import HeatmapClassifier

# Key → its value in a model; docs/export.md says what each means.
METADATA: dict[str, Callable[[HeatmapClassifier], Any]] = {
    "architecture": lambda model: model.architecture,
    "label_names": lambda model: list(model.label_names),
    "in_chans": lambda model: model.in_chans,
    "input_size": lambda model: list(model.pretrained_cfg["input_size"]),
    "mean": lambda model: list(model.pretrained_cfg["mean"]),
    "std": lambda model: list(model.pretrained_cfg["std"]),
    "interpolation": lambda model: model.pretrained_cfg["interpolation"],
    "activation": lambda model: model.activation,
    "thresholds": lambda model: None if model.thresholds is None else list(model.thresholds),
    "heatmap_unit": lambda model: model.heatmap_unit,
    "pylon_zoo_version": lambda model: __version__,
}
METADATA_FILE = "metadata.json"
"""Where `.pt2` and TorchScript files keep it, as one JSON object, among their extra files."""


def describe(model: HeatmapClassifier, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The values of `METADATA` for a model.

    Args:
        model: any model of the zoo.
        size: (height, width) of an export for one size, which is then its `input_size`.

    Example:
        >>> from pylon_zoo.models.build import build_model
        >>> describe(build_model("pylon_test_resnet", 2))["label_names"]
        ['class_0', 'class_1']
    """
    values = {key: value(model) for key, value in METADATA.items()}
    return values if size is None else {**values, "input_size": [model.in_chans, *size]}


def to_props(values: Mapping[str, Any]) -> dict[str, str]:
    """As ONNX keeps it: each value a JSON text."""
    return {key: json.dumps(value) for key, value in values.items()}


def from_props(props: Mapping[str, str]) -> dict[str, Any]:
    """The values of an ONNX file's `metadata_props`; keys that others put there are left out."""
    return {key: json.loads(text) for key, text in props.items() if key in METADATA}
