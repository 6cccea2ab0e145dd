"""Pretrained weights by tag or by folder: exactly what was asked for, or an error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.backbone import resolve_backbone
from pylon_zoo.models.build import split_name
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    checkpoint_folder,
    model_from,
    parse_config,
    parse_weights,
)
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.integrity import FileRecord, read_bytes, read_verified

LOCAL, HUB = "local-dir:", "hf-hub:"
OVERRIDES = ("img_size", "encoder_kwargs")


def load_pretrained(
    architecture: str, which: bool | str | os.PathLike[str] = True, **overrides: Any
) -> HeatmapClassifier:
    """A model with its weights; never touches the network, never returns random weights.

    Args:
        architecture: `<method>_<timm architecture>`, without a tag.
        which: True for the architecture's default tag, a tag (dashes and underscores alike), `"local-dir:PATH"`, or the
            path of a checkpoint or run folder: whatever is no tag and an existing folder, or has a path separator.
        overrides: `img_size` and `encoder_kwargs`; nothing else may differ from what was trained.

    Returns:
        The model in eval mode, with its labels, activation and input description.

    Raises:
        UnknownNameError: no such architecture or tag; names the nearest.
        ConfigError: another option, or a folder that holds another architecture.
        WeightsError: the weights cannot be had now, or are not the bytes that were published.

    Example:
        >>> import tempfile
        >>> from pylon_zoo.models.build import build_model
        >>> from pylon_zoo.weights.checkpoint import save_checkpoint
        >>> folder = save_checkpoint(build_model("pylon_test_resnet", num_classes=2), tempfile.mkdtemp())
        >>> load_pretrained("pylon_test_resnet", folder).num_classes
        2
    """
    _check_overrides(architecture, overrides)
    resolve_backbone(split_name(architecture)[1])
    folder, records = _folder(architecture, which), None
    if folder is None:
        entry = available_entry(architecture, which)
        folder, records = manifest.ROOM / entry.path, entry.files
    folder = checkpoint_folder(folder)
    config = parse_config(_content(folder / CONFIG_FILE, records), folder / CONFIG_FILE)
    if config["architecture"] != architecture:
        raise ConfigError(
            f"{architecture!r} was asked for, but {folder} holds {config['architecture']!r}. Ask for that name, or "
            "give another folder."
        )
    state = parse_weights(_content(folder / WEIGHTS_FILE, records), folder / WEIGHTS_FILE)
    return model_from(config, state, where=str(folder), **overrides)


def _content(path: Path, records: Mapping[str, FileRecord] | None) -> bytes:
    return read_bytes(path) if records is None else read_verified(path, records[path.name])


def available_entry(architecture: str, which: bool | str | os.PathLike[str]) -> Entry:
    """The manifest's entry of that tag, whose weights can be had now.

    Raises:
        UnknownNameError: no such tag; names the nearest.
        WeightsError: the weights are planned, or not in this package.
    """
    if isinstance(which, str) and which.startswith(HUB):
        raise WeightsError(
            f"{which!r}: this version loads nothing from the Hub. Download the repository and give its folder as "
            f"'{LOCAL}PATH'. {manifest.what_can_be_had()}"
        )
    entry = manifest.find(architecture, True if which is True else str(which))
    if not entry.available:
        reason = "are planned; nobody has trained them yet" if entry.source == "planned" else "are not in this package"
        raise WeightsError(f"The weights {entry.name} {reason}. {manifest.what_can_be_had()}")
    return entry


def _folder(architecture: str, which: bool | str | os.PathLike[str]) -> Path | None:
    """The folder meant, or None if a tag is."""
    if which is True:
        return None
    if not isinstance(which, (str, os.PathLike)):
        raise ConfigError(f"pretrained={which!r} is not valid; give True, a tag, '{LOCAL}PATH' or a folder.")
    text = os.fspath(which)
    if text.startswith(LOCAL):
        return Path(text.removeprefix(LOCAL)).expanduser()
    if isinstance(which, os.PathLike):
        return Path(which)
    # A folder that happens to bear a tag's name is not taken for it.
    if text.startswith(HUB) or manifest.same_dashes(text) in manifest.tags_of(architecture):
        return None
    separators = {os.sep, os.altsep or os.sep}
    return Path(text) if Path(text).is_dir() or any(separator in text for separator in separators) else None


def _check_overrides(architecture: str, overrides: dict[str, Any]) -> None:
    if fixed := [name for name in overrides if name not in OVERRIDES]:
        raise ConfigError(
            f"{', '.join(fixed)} cannot be chosen for pretrained weights of {architecture}: the checkpoint has its "
            f"own. Give no more than {' and '.join(OVERRIDES)}."
        )
