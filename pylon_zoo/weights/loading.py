"""Pretrained weights by tag, from the Hub or from a folder: exactly what was asked for, or an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.files import is_path
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.methods import split_name
from pylon_zoo.models.names import resolve_backbone
from pylon_zoo.weights import manifest
from pylon_zoo.weights.checkpoint import checkpoint_folder, model_from, parse_config, parse_weights
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE
from pylon_zoo.weights.hub import HUB, commit_of, download, split_address
from pylon_zoo.weights.integrity import read_bytes, read_verified
from pylon_zoo.weights.planned import planned_error

LOCAL = "local-dir:"
SHA256_KEY = "sha256"  # at the root of a published config.json: the hash of model.safetensors
OVERRIDES = ("alignment", "encoder_kwargs", "img_size")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint's files are.

    Attributes:
        place: what to call it in errors.
        read: file name → content, checked against all that is known of it; also for files beside the checkpoint's two.
    """

    place: str
    read: Callable[[str], bytes]


def load_pretrained(
    architecture: str,
    which: bool | str | os.PathLike[str] = True,
    *,
    in_chans: int | None = None,
    **overrides: Any,
) -> HeatmapClassifier:
    """A model with its weights; never random ones. Only a Hub's files that are not in its cache need the network.

    Args:
        architecture: `<method>_<timm architecture>`, without a tag.
        which: True for the architecture's default tag, a tag (dashes and underscores alike), `"hf-hub:org/name"` with
            or without `"@revision"`, `"local-dir:PATH"`, or the path of a checkpoint or run folder: whatever is no tag
            and an existing folder, or has a path separator.
        in_chans: channels of the images; None is the checkpoint's own. Others adapt the stem, see
            `pylon_zoo.weights.stem`.
        overrides: `img_size`, `encoder_kwargs` and, for PYLON, `alignment`; nothing else may differ from what was
            trained.

    Returns:
        The model in eval mode, with its labels, thresholds, activation and input description.

    Raises:
        UnknownNameError: no such architecture or tag; names the nearest.
        ConfigError: another option, an address that is none, or a checkpoint of another architecture.
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
    source = find_source(architecture, which)
    config = parse_config(source.read(CONFIG_FILE), f"{CONFIG_FILE} of {source.place}")
    if config["architecture"] != architecture:
        raise ConfigError(
            f"{architecture!r} was asked for, but {source.place} holds {config['architecture']!r}. Ask for that name, "
            "or give other weights."
        )
    state = parse_weights(source.read(WEIGHTS_FILE), f"{WEIGHTS_FILE} of {source.place}")
    if in_chans is not None:
        overrides["in_chans"] = in_chans
    return model_from(config, state, where=source.place, **overrides)


def find_source(architecture: str, which: bool | str | os.PathLike[str]) -> Source:
    """Where the weights meant are, see `load_pretrained`."""
    folder = _folder(architecture, which)
    if folder is not None:
        return folder_source(folder)
    if isinstance(which, str) and which.startswith(HUB):
        return address_source(which)
    return entry_source(manifest.find(architecture, True if which is True else str(which)))


def folder_source(path: Path) -> Source:
    """A checkpoint or run folder, whose files are taken as they are."""
    folder = checkpoint_folder(path)
    return Source(str(folder), lambda name: read_bytes(folder / name))


def entry_source(entry: Entry) -> Source:
    """An entry of the manifest, in the package or on the Hub; every file must have the hash it says.

    Raises:
        WeightsError: nobody has trained these weights yet; says how to get some.
    """
    if entry.source == "bundled" and entry.path is not None:
        folder = manifest.ROOM / entry.path
        return Source(str(folder), lambda name: read_verified(folder / name, entry.files[name]))
    if entry.source == "hub" and (repo := entry.repo) is not None:
        return Source(
            f"{HUB}{repo}@{entry.revision}",
            lambda name: download(repo, name, sha256=entry.files[name].sha256, revision=entry.revision)[1],
        )
    raise planned_error(entry)


def address_source(address: str) -> Source:
    """A repository of the Hub.

    Where the manifest has an entry of that repository and commit, its hashes count. Otherwise the weights must have
    the sha256 that `config.json` records, and what has none there must be what the Hub's own name of it says.

    Raises:
        ConfigError: it is no address.
        WeightsError: its `config.json` cannot be had.
    """
    repo, revision = split_address(address)
    known = (entry for entry in manifest.load_manifest().values() if (entry.repo, entry.revision) == (repo, revision))
    if (entry := next(known, None)) is not None:
        return entry_source(entry)
    # All files of one commit, even if the branch moves between two downloads.
    path, config = download(repo, CONFIG_FILE, revision=revision, sha256=None)
    commit, place = commit_of(path, CONFIG_FILE), f"{HUB}{repo}@{revision or 'main'}"
    hashes = {WEIGHTS_FILE: parse_config(config, f"{CONFIG_FILE} of {place}").get(SHA256_KEY)}

    def read(name: str) -> bytes:
        return config if name == CONFIG_FILE else download(repo, name, revision=commit, sha256=hashes.get(name))[1]

    return Source(place, read)


def _folder(architecture: str, which: bool | str | os.PathLike[str]) -> Path | None:
    """The folder meant, or None if a tag or an address is."""
    if which is True:
        return None
    if not isinstance(which, (str, os.PathLike)):
        raise ConfigError(f"pretrained={which!r} is not valid; give True, a tag, '{HUB}org/name' or a folder.")
    text = os.fspath(which)
    if text.startswith(LOCAL):
        return Path(text.removeprefix(LOCAL)).expanduser()
    if isinstance(which, os.PathLike):
        return Path(which)
    # A folder that happens to bear a tag's name is not taken for it.
    if text.startswith(HUB) or manifest.same_dashes(text) in manifest.tags_of(architecture):
        return None
    return Path(text) if is_path(text) or Path(text).is_dir() else None


def _check_overrides(architecture: str, overrides: dict[str, Any]) -> None:
    if fixed := [name for name in overrides if name not in OVERRIDES]:
        raise ConfigError(
            f"{', '.join(fixed)} cannot be chosen for pretrained weights of {architecture}: the checkpoint has its "
            f"own. Give no more than {', '.join(OVERRIDES)}."
        )
