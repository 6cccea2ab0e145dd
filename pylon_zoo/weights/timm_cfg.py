"""Weights of the manifest as fields of timm's `PretrainedCfg`."""

from __future__ import annotations

from typing import Any

from pylon_zoo.weights import manifest
from pylon_zoo.weights.entry import NOT_STATED, Entry
from pylon_zoo.weights.file_names import WEIGHTS_FILE


def location(entry: Entry) -> dict[str, str]:
    """Where timm's `PretrainedCfg` says that weights of the manifest are; empty if they cannot be had."""
    if not entry.available:
        return {}
    if entry.source == "hub":
        return {"hf_hub_id": f"{entry.repo}@{entry.revision}", "hf_hub_filename": WEIGHTS_FILE}
    return {"file": str(manifest.ROOM / str(entry.path) / WEIGHTS_FILE)}


def entry_cfg(entry: Entry) -> dict[str, Any]:
    """timm's description of weights of the manifest, as far as the manifest knows it."""
    return {
        "num_classes": entry.num_classes,
        "label_names": entry.label_names,
        "input_size": entry.input_size,
        "mean": entry.mean,
        "std": entry.std,
        "interpolation": entry.interpolation,
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "license": None if entry.weights_licence == NOT_STATED else entry.weights_licence,
    }
