"""An encoder's weights from a file or folder of the user's: any state dict of a timm or torchvision network."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.encoder_weights import EncoderWeights
from pylon_zoo.weights.checkpoint import parse_weights, tuples
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.integrity import read_bytes
from pylon_zoo.weights.packaged import as_timm_names
from pylon_zoo.weights.pickles import load_pickle
from pylon_zoo.weights.state_dicts import find_state_dict

READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".safetensors": parse_weights,
    ".pth": load_pickle,
    ".pt": load_pickle,
    ".bin": load_pickle,
    ".tar": load_pickle,
}
"""End of a file's name → what reads its content."""
FOLDER_FILES = (WEIGHTS_FILE, "pytorch_model.bin")  # of a repository of the Hub, the first that is there
DESCRIBED = ("mean", "std", "interpolation")  # what of a folder's description says how images must look


def read_encoder(source: str | os.PathLike[str] | Mapping[str, Tensor], arch: str) -> EncoderWeights:
    """A network's weights; nothing in a pickle is executed.

    Args:
        source: a `.safetensors` file, one of `torch.save` (`.pth`, `.pt`, `.bin`, `.tar`), a local copy of a
            repository of the Hub (`config.json` beside the weights), the file of a package of `[encoders]`, or a state
            dict. Whatever trainers and parallel wrappers put around it is taken off.
        arch: timm architecture that they are for, without a tag.

    Returns:
        The weights, still named as in the source.

    Raises:
        ConfigError: of another kind, or a folder that says that it holds another architecture.
        WeightsError: the file is missing, broken, or holds more than weights.

    Example:
        >>> import torch
        >>> read_encoder({"module.conv1.weight": torch.ones(1)}, "resnet18").where
        'the state dict'
    """
    if isinstance(source, Mapping):
        return EncoderWeights(find_state_dict(source, "the state dict"), "the state dict")
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(
            f"encoder_weights={source!r} is not valid; give a file, a folder with {CONFIG_FILE}, or a state dict."
        )
    path = Path(source).expanduser()
    description: dict[str, Any] = {}
    if path.is_dir():
        description = _description(path, arch)
        path = _weights_of(path)
    if path.suffix not in READERS:
        raise ConfigError(
            f"encoder_weights={str(path)!r} is no file of weights by its name; give one that ends in "
            f"{', '.join(READERS)}."
        )
    content = read_bytes(path)
    state = find_state_dict(READERS[path.suffix](content, str(path)), str(path))
    return EncoderWeights(as_timm_names(arch, content, state), str(path), description)


def _weights_of(folder: Path) -> Path:
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"{folder} holds no {' or '.join(FOLDER_FILES)}. Copy the repository whole, or give a file.")


def _description(folder: Path, arch: str) -> dict[str, Any]:
    """How images must look for the network in a folder, where that says so."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return {}
    try:
        config = json.loads(read_bytes(path))
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON: {error}. Copy the repository again.") from error
    theirs = config.get("architecture", arch) if isinstance(config, dict) else None
    if theirs != arch:
        raise ConfigError(
            f"{folder} holds {theirs!r}, but encoder_weights of {arch!r} were asked for. Give a folder of that "
            "architecture; models of this library are given as pretrained or transfer.checkpoint."
        )
    cfg = config.get("pretrained_cfg") or {}
    if not isinstance(cfg, dict):
        raise WeightsError(f"{path}: pretrained_cfg is {cfg!r}, but must be a JSON dict. Copy the repository again.")
    return tuples({name: cfg[name] for name in DESCRIBED if cfg.get(name)})
