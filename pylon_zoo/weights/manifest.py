"""The manifest: which weights exist, where they are, and what must be true of them.

`weights_manifest.json` holds `{"format": 1, "weights": {"<architecture>.<tag>": {…}}}`, each value the fields of an
`Entry`. The first entry of an architecture is its default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pylon_zoo.errors import UnknownNameError, WeightsError, suggest
from pylon_zoo.weights.entry import Entry, parse_entry
from pylon_zoo.weights.integrity import read_bytes

FORMAT = 1
MANIFEST_FILE = "weights_manifest.json"
ROOM = Path(__file__).resolve().parent  # paths of bundled weights start here


def load_manifest() -> dict[str, Entry]:
    """The package's manifest: name → entry, in the file's order. Read once.

    Raises:
        WeightsError: the file is missing or malformed; names file and entry.
    """
    return dict(read_once(manifest_path()))


def manifest_path() -> Path:
    """The file that counts: in a source tree the top-level one, in an installed package its copy.

    In a source tree the copy is a link, which some archives of the tree turn into a text file.
    """
    top = ROOM.parents[1]
    is_source_tree = all((top / name).is_file() for name in ("setup.cfg", MANIFEST_FILE))
    return (top if is_source_tree else ROOM) / MANIFEST_FILE


def read_manifest(path: Path) -> dict[str, Entry]:
    """A manifest file: name → entry, in the file's order.

    Raises:
        WeightsError: it is missing or malformed; names file and entry.
    """
    content = read_bytes(path)
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON: {error}. Restore it from the repository.") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise WeightsError(
            f"{path} has the format {found!r}, but this version reads {FORMAT}. Install the version it belongs to."
        )
    weights = manifest.get("weights")
    if not isinstance(weights, dict):
        raise WeightsError(f"{path}: 'weights' must be an object of name → entry. Restore it from the repository.")
    entries = {name: parse_entry(name, values, path) for name, values in weights.items()}
    _check_tags(entries, path)
    return entries


read_once = cache(read_manifest)


def find(architecture: str, tag: str | Literal[True] = True) -> Entry:
    """The entry of an architecture's weights.

    Args:
        architecture: `pylon_resnet50`.
        tag: a tag or alias, dashes and underscores alike, or True for the default.

    Raises:
        UnknownNameError: there are none of that name; says which there are.
    """
    tags = tags_of(architecture)
    if not tags:
        raise UnknownNameError(f"There are no weights for {architecture!r}. {what_can_be_had()}")
    if tag is True:
        return next(iter(tags.values()))
    wanted = same_dashes(tag)
    if wanted not in tags:
        raise UnknownNameError(
            f"There are no weights {tag!r} for {architecture!r}.{suggest(wanted, tags)} "
            f"Tags of {architecture}: {', '.join(tags)}. {what_can_be_had()}"
        )
    return tags[wanted]


def tags_of(architecture: str) -> dict[str, Entry]:
    """Tag or alias → entry of an architecture's weights, the default first, dashes as underscores."""
    return {
        same_dashes(tag): entry
        for entry in load_manifest().values()
        if entry.architecture == architecture
        for tag in (entry.tag, *entry.aliases)
    }


def what_can_be_had() -> str:
    """The sentence that ends an error about weights that cannot be loaded."""
    names = [name for name, entry in load_manifest().items() if entry.available]
    have = (
        f"Weights that can be had by name now: {', '.join(names)}." if names else "No weights can be had by name now."
    )
    return f"{have} The path of a checkpoint or run folder is taken too."


def same_dashes(tag: str) -> str:
    """A tag with every dash an underscore: `nih-cxr14` and `nih_cxr14` are the same.

    Example:
        >>> same_dashes("nih-cxr14")
        'nih_cxr14'
    """
    return tag.replace("-", "_")


def _check_tags(entries: Mapping[str, Entry], path: Path) -> None:
    owners: dict[tuple[str, str], str] = {}
    for entry in entries.values():
        for tag in {same_dashes(tag) for tag in (entry.tag, *entry.aliases)}:
            owner = owners.setdefault((entry.architecture, tag), entry.name)
            if owner != entry.name:
                raise WeightsError(f"{path}: entry {entry.name!r} has the tag {tag!r}, which {owner!r} has already.")
