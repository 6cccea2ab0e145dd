"""Putting a trained model into the package: a small checkpoint folder beside this file, and its entry in the manifest.

For maintainers, in a source tree.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.files import write_text
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import checkpoint_files, load_checkpoint, model_from, parse_config, parse_weights
from pylon_zoo.weights.entry import STATED, Entry, parse_entry
from pylon_zoo.weights.file_names import CONFIG_FILE, GOLDEN_FILE, WEIGHTS_FILE
from pylon_zoo.weights.golden import golden_bytes
from pylon_zoo.weights.integrity import read_bytes, record_of, write_files
from pylon_zoo.weights.measured import metrics_of

MOST_BYTES = 6_000_000  # of a bundled checkpoint: every installation carries it
FOLDER = "bundled"


def bundle_checkpoint(
    run: str | Path,
    name: str,
    *,
    evaluation: str | Path | None = None,
    command: str | None = None,
    **stated: Any,
) -> Entry:
    """Copy a run's best checkpoint into the package as float16 and write its entry into the manifest.

    Bundling a checkpoint again gives the same bytes. So, to publish the metrics of the very weights that ship: bundle,
    evaluate the model by its name, and bundle again with that evaluation; what was stated of these very weights stays.

    Args:
        run: a run's folder, or a checkpoint folder.
        name: `<architecture>.<tag>`; an entry of that name is replaced.
        evaluation: folder of `pylon-zoo evaluate` with the metrics to publish; None publishes none.
        command: the command that made the evaluation.
        stated: fields of the entry that no file knows: those of `pylon_zoo.weights.entry.STATED`.

    Returns:
        The entry written.

    Raises:
        ConfigError: this is no source tree, the name is of another architecture, or metrics come without their command
            or from other weights.
        WeightsError: a file is missing or broken, the checkpoint too large, or a field cannot be right.
    """
    path = manifest.manifest_path()
    if path.parent == manifest.ROOM:
        raise ConfigError("Weights are bundled in a source tree; this is an installed package. Clone the repository.")
    model = load_checkpoint(run)
    architecture, _, tag = name.partition(".")
    if architecture != model.architecture or not tag:
        raise ConfigError(f"{name!r} cannot name the weights in {run}. Name them '{model.architecture}.<tag>'.")
    files = checkpoint_files(model, dtype=torch.float16)
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise WeightsError(
            f"{name} would take {size:,} bytes in the package, where {MOST_BYTES:,} are allowed. Train a smaller "
            "backbone or a narrower decoder."
        )
    # Of the weights as they ship, not as they were trained.
    shipped = model_from(
        parse_config(files[CONFIG_FILE], name), parse_weights(files[WEIGHTS_FILE], name), where=str(run)
    )
    files[GOLDEN_FILE] = golden_bytes(shipped)
    folder = f"{FOLDER}/{name}"
    values = {
        "source": "bundled",
        "path": folder,
        "files": {file: vars(record_of(content)) for file, content in files.items()},
        **input_of(model),
        "code_licence": "Apache-2.0",
        "metrics": {} if evaluation is None else metrics_of(evaluation, command, name, _names(name)),
    }
    manifest.read_manifest(path)
    content = json.loads(read_bytes(path))
    values |= _stated_before(content["weights"].get(name, {}), values) | stated
    entry = parse_entry(name, values, path)
    content["weights"][name] = values
    write_files(manifest.ROOM / folder, files)
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    manifest.read_once.cache_clear()
    return entry


def input_of(model: HeatmapClassifier) -> dict[str, Any]:
    """The fields of an entry that say what a model takes and tells apart."""
    cfg = model.pretrained_cfg
    return {
        "num_classes": model.num_classes,
        "label_names": list(model.label_names),
        "in_chans": model.in_chans,
        **{name: list(cfg[name]) for name in ("input_size", "mean", "std")},
        "interpolation": cfg["interpolation"],
        "input_range": [0.0, 1.0],
    }


def _stated_before(entry: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What was stated in an entry that is replaced, if it has the weights of `now`: of others it would be untrue."""
    same = entry.get("files", {}).get(WEIGHTS_FILE) == now["files"][WEIGHTS_FILE]
    return {field: value for field, value in entry.items() if field in STATED} if same else {}


def _names(name: str) -> Callable[[str], bool]:
    return lambda model: manifest.same_dashes(model) == manifest.same_dashes(name)
