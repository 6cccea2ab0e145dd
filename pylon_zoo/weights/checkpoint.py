"""Checkpoint folders: `config.json` in timm's schema and `model.safetensors`, nothing else.

What timm knows (architecture, options, input, labels) stands where timm looks for it; what is ours (activation,
metrics, training) stands beside it at the root, because timm's `pretrained_cfg` refuses keys it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pylon_zoo.errors import ConfigError, PylonZooError, WeightsError
from pylon_zoo.models.build import build_model, said_options
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.misfit import misfit
from pylon_zoo.weights.file_names import CONFIG_FILE, RUN_CHECKPOINT, WEIGHTS_FILE
from pylon_zoo.weights.integrity import read_bytes, write_files
from pylon_zoo.weights.stem import adapt_input, adapt_stem
from pylon_zoo.weights.storage import stored_tensors

NEEDED = {"architecture": str, "num_classes": int, "pretrained_cfg": dict}
OPTIONAL = {"model_args": dict, "label_names": list, "thresholds": list, "sha256": str}


def save_checkpoint(
    model: HeatmapClassifier, directory: str | Path, *, dtype: torch.dtype | None = None, **metadata: Any
) -> Path:
    """Write a model to a folder that `load_checkpoint`, `--checkpoint` and `pretrained="local-dir:…"` take.

    Args:
        model: any model of the zoo.
        directory: folder to write to; made if missing, its two files replaced.
        dtype: storage type of floating-point weights (`torch.float16` halves the file); None keeps theirs.
        metadata: JSON values kept at the root of `config.json` (metrics, recipe, training data, …).

    Returns:
        The folder.

    Raises:
        ConfigError: the model cannot be described in JSON, or not built again from a description.
        WeightsError: the folder cannot be written to, or a weight is not finite or too large for `dtype`.
        DiskFullError: it does not fit; the checkpoint that was there is intact.

    Example:
        >>> import tempfile
        >>> save_checkpoint(build_model("pylon_test_resnet", num_classes=2), tempfile.mkdtemp()).is_dir()
        True
    """
    directory = Path(directory)
    write_files(directory, checkpoint_files(model, dtype=dtype, **metadata))
    return directory


def checkpoint_files(
    model: HeatmapClassifier, *, dtype: torch.dtype | None = None, **metadata: Any
) -> dict[str, bytes]:
    """What `save_checkpoint` writes: file name → content. The same model and metadata give the same bytes."""
    config = json_bytes(model_config(model, metadata))
    # One metadata key at most: with more, safetensors writes them in no fixed order and the sha256 changes.
    weights = save(stored_tensors(model.state_dict(), dtype), metadata={"format": "pt"})
    return {WEIGHTS_FILE: weights, CONFIG_FILE: config}


def load_checkpoint(directory: str | Path, **overrides: Any) -> HeatmapClassifier:
    """Read a model from a checkpoint folder, or from a training run's folder its best one. Never touches the network.

    Args:
        directory: the folder.
        overrides: options that do not change the weights' shapes (`img_size`, `encoder_kwargs`, `alignment`).

    Returns:
        The model in eval mode, with its labels, activation and input description.

    Raises:
        WeightsError: a file is missing or broken, or does not fit; names it.

    Example:
        >>> import tempfile
        >>> folder = save_checkpoint(build_model("pylon_test_resnet", num_classes=2), tempfile.mkdtemp())
        >>> load_checkpoint(folder).training
        False
    """
    directory = checkpoint_folder(directory)
    return model_from(read_config(directory), read_weights(directory / WEIGHTS_FILE), where=str(directory), **overrides)


def checkpoint_folder(path: str | Path) -> Path:
    """The checkpoint folder meant by a path: itself, or a training run's best checkpoint.

    Raises:
        WeightsError: neither is there.
    """
    path = Path(path)
    for folder in (path, path / RUN_CHECKPOINT):
        if (folder / CONFIG_FILE).is_file():
            return folder
    state = "holds no" if path.is_dir() else "is no folder, so there is no"
    raise WeightsError(
        f"{path} {state} {CONFIG_FILE}. Give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, or that of a training run."
    )


def model_config(model: HeatmapClassifier, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What `config.json` says of a model.

    Raises:
        ConfigError: the model does not know how to be built again, or metadata uses a key of the description.
    """
    if not model.savable:
        raise ConfigError(
            f"This {model.architecture} is optimized for inference, so no checkpoint of it could be loaded again. Save "
            "the model it was made from."
        )
    if not model.architecture:
        raise ConfigError(
            f"This {type(model).__name__} does not know the options it was made with, so no checkpoint could be loaded "
            "again. Make it with create_model, create_pylon or build_model."
        )
    config: dict[str, Any] = {
        "architecture": model.architecture,
        "num_classes": model.num_classes,
        "num_features": model.num_features,
        "label_names": list(model.label_names),
        "model_args": model.model_args,
        "pretrained_cfg": {key: value for key, value in model.pretrained_cfg.items() if key != "architecture"},
        "activation": model.activation,
        **({} if model.thresholds is None else {"thresholds": list(model.thresholds)}),
    }
    if taken := config.keys() & metadata.keys():
        raise ConfigError(f"Metadata cannot be named {', '.join(sorted(taken))}: {CONFIG_FILE} has that key already.")
    return {**config, **metadata}


def read_config(directory: Path) -> dict[str, Any]:
    """`config.json` of a checkpoint folder, see `parse_config`."""
    path = directory / CONFIG_FILE
    return parse_config(read_bytes(path), path)


def parse_config(content: bytes, path: Path | str) -> dict[str, Any]:
    """The content of a `config.json`.

    Args:
        content: the file's bytes.
        path: what to call it in errors.

    Raises:
        WeightsError: it is no JSON, lacks a key or has one of another type.
    """
    try:
        config = json.loads(content)
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON: {error}. Save the checkpoint again.") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path} is not a JSON object. pylon_zoo.save_checkpoint writes one.")
    if missing := [key for key in NEEDED if key not in config]:
        raise WeightsError(f"{path} lacks {', '.join(missing)}; it was not written by pylon_zoo.save_checkpoint.")
    for key, kind in {**NEEDED, **{key: kind for key, kind in OPTIONAL.items() if config.get(key) is not None}}.items():
        value = config[key]
        if not isinstance(value, kind):
            raise WeightsError(f"{path}: {key} is {value!r}, but must be a JSON {kind.__name__}.")
    return config


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, see `parse_weights`."""
    return parse_weights(read_bytes(path), path)


def parse_weights(content: bytes, path: Path | str) -> dict[str, Tensor]:
    """The tensors in the content of a safetensors file; pickles are never read.

    Args:
        content: the file's bytes.
        path: what to call it in errors.

    Raises:
        WeightsError: it is not safetensors, or cut off.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a complete safetensors file ({error}); pickles are not read. Copy or save it again."
        ) from error


def model_from(
    config: Mapping[str, Any], state: Mapping[str, Tensor], *, where: str, **overrides: Any
) -> HeatmapClassifier:
    """Build the model a configuration describes and fill it with weights.

    Args:
        config: the content of `config.json`.
        state: the model's state dict, in any floating-point type.
        where: what to call the source in errors.
        overrides: options in place of the recorded ones; `encoder_kwargs` are added to them, and for other `in_chans`
            the stem is adapted, see `pylon_zoo.weights.stem`.

    Returns:
        The model in eval mode, float32.

    Raises:
        ConfigError: an override cannot work.
        WeightsError: the configuration cannot be built, or the tensors do not fit it.
    """
    recorded = tuples(config.get("model_args") or {})
    try:
        # The encoder's weights are among the tensors; a description that asks for others would fetch them for nothing.
        fetched = {"encoder_pretrained": False, "encoder_weights": None}
        options = {**said_options(config["architecture"], recorded), **overrides, **fetched}
        if "encoder_kwargs" in overrides:
            options["encoder_kwargs"] = {**recorded.get("encoder_kwargs", {}), **overrides["encoder_kwargs"]}
        model = build_model(
            config["architecture"], config["num_classes"], label_names=config.get("label_names"), **options
        )
        if config.get("thresholds") is not None:
            model.set_thresholds(config["thresholds"])
    except (PylonZooError, TypeError, ValueError) as error:
        if overrides and isinstance(error, PylonZooError):
            raise  # it names the option
        raise WeightsError(f"{where} describes a model that cannot be built: {error}") from error
    load_state(model, adapt_stem(model, state, recorded.get("in_chans", 3), where), where=where)
    built_size = model.pretrained_cfg["input_size"]
    model.pretrained_cfg |= adapt_input(tuples(config["pretrained_cfg"]), model.in_chans)
    if "img_size" in overrides:
        model.pretrained_cfg["input_size"] = built_size
    return model.eval()


def load_state(
    model: HeatmapClassifier, state: Mapping[str, Tensor], *, where: str, names: Mapping[str, str] | None = None
) -> None:
    """Fill a model with weights, all of them and no others.

    Args:
        model: the model; stays float32.
        state: its state dict, in any floating-point type.
        where: what to call the source in errors.
        names: what the source calls the tensors, where that is something else.

    Raises:
        WeightsError: a tensor is missing, unknown, or of another shape; names it and both shapes.
    """
    own = model.state_dict()
    if problem := misfit(own, state, names or {}):
        raise WeightsError(f"The weights in {where} do not fit {model.architecture}: {problem}.")
    model.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()})


def json_bytes(config: Mapping[str, Any]) -> bytes:
    """The content of a `config.json`.

    Raises:
        ConfigError: it holds what JSON cannot.
    """
    try:
        return (json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{CONFIG_FILE} cannot hold this model's options or metadata: {error}. Use what JSON can hold."
        ) from error


def tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options or descriptions from JSON as they were before: every list a tuple.

    Example:
        >>> tuples({"mean": [0.5], "crop_pct": 1.0})
        {'mean': (0.5,), 'crop_pct': 1.0}
    """
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
