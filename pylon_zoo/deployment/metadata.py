"""What an exported file says about itself, so that it can be used without this library: JSON texts by key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.cells import CellGrid, corner_aligned
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
    "cells": lambda model: cells_of(model),
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


def cells_of(model: HeatmapClassifier) -> dict[str, Any]:
    """Which pixels the heatmap's cells are centred on: `first` and `step`, each (vertical, horizontal), in pixels.

    They hold at every size, but for a heatmap of one fixed number of cells (`spread`): those lie between the first and
    the last of the ⌈side ÷ step⌉ - `lacking` cells that `first` and `step` describe.
    """
    size = tuple(model.pretrained_cfg["input_size"][1:])
    spread = getattr(model.decoder, "grid", None)
    grid = model.cell_grid(size) if spread is None else model.encoder.cell_grids(size)[0]
    values: dict[str, Any] = {"first": list(grid.first), "step": list(grid.step)}
    if spread is not None:
        cells = model.encoder.cells(size)[0]
        short = [ceil(side / step) - one for side, step, one in zip(size, grid.step, cells, strict=True)]
        values |= {"spread": list(spread), "lacking": short}
    return values


def grid_from(values: Mapping[str, Any], size: tuple[int, int]) -> CellGrid:
    """The grid that the value of `cells` describes, for images (H, W).

    Example:
        >>> grid_from({"first": [0, 0], "step": [4, 4]}, (256, 256))
        CellGrid(first=(0, 0), step=(4, 4))
    """
    grid = CellGrid(tuple(values["first"]), tuple(values["step"]))
    if "spread" not in values:
        return grid
    sides = zip(size, grid.step, values["lacking"], strict=True)
    cells = tuple(ceil(side / step) - short for side, step, short in sides)
    return corner_aligned(grid, cells, tuple(values["spread"]), size)


def to_props(values: Mapping[str, Any]) -> dict[str, str]:
    """As ONNX keeps it: each value a JSON text."""
    return {key: json.dumps(value) for key, value in values.items()}


def from_props(props: Mapping[str, str]) -> dict[str, Any]:
    """The values of an ONNX file's `metadata_props`; keys that others put there are left out."""
    return {key: json.loads(text) for key, text in props.items() if key in METADATA}
