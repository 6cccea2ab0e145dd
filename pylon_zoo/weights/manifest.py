"""The manifest: which weights exist, where they are, and what must be true of them.

`weights_manifest.json` holds `{"format": 1, "weights": {"<architecture>.<tag>": {…}}}`, each value the fields of an
`Entry`. Users add to it or override it, by `register_weights` and by the manifest that the environment variable
`PYLON_ZOO_MANIFEST` names; of one name or tag the first of these three counts: registered, environment, package. The
first entry of an architecture is its default. Where the environment's manifest cannot be reached, its copy of the last
time counts, or nothing of it, and a warning says so: what the package knows can be had without a network.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pylon_zoo.errors import UnknownNameError, WeightsError, suggest
from pylon_zoo.weights.addresses import URLS, UnreachableError, fetch, keep, kept_copy
from pylon_zoo.weights.entry import Entry, parse_entry
from pylon_zoo.weights.integrity import read_bytes

FORMAT = 1
MANIFEST_FILE = "weights_manifest.json"
MANIFEST_VARIABLE = "PYLON_ZOO_MANIFEST"
ROOM = Path(__file__).resolve().parent  # paths of bundled weights start here

_registered: dict[str, Entry] = {}
_unreached: dict[str, dict[str, Entry]] = {}
"""Address that could not be reached → what counts instead, for the life of the process."""


def load_manifest() -> dict[str, Entry]:
    """Everything that is known: name → entry, what users added first, then the file's order. Files are read once.

    Returns:
        Name, `<architecture>.<tag>` → entry.

    Raises:
        WeightsError: a manifest is malformed, or the package's is missing; names file and entry.

    Example:
        >>> load_manifest()["pylon_resnet18.phantom_cxr"].source
        'bundled'
    """
    named = os.environ.get(MANIFEST_VARIABLE)
    added = _reached(named) if named else {}
    theirs = _registered | {name: entry for name, entry in added.items() if name not in _registered}
    return theirs | {name: entry for name, entry in read_once(manifest_path()).items() if name not in theirs}


def register_weights(entries: Mapping[str, Mapping[str, Any]] | str | os.PathLike[str]) -> None:
    """Make weights known by name, or put others in the place of those the package knows, for this process.

    Args:
        entries: name → fields, as in `weights_manifest.json` and as `pylon-zoo weights publish` prints them; or the
            path or URL of such a manifest. The latest to be registered counts first.

    Raises:
        WeightsError: the manifest cannot be read, or a field is missing or cannot be right; nothing is registered then.

    Example:
        >>> register_weights({"pylon_resnet50.mine": {"source": "planed"}})
        Traceback (most recent call last):
        ...
        pylon_zoo.errors.WeightsError: register_weights: entry 'pylon_resnet50.mine' lacks num_classes, label_names, \
in_chans, input_size, mean, std, interpolation.
    """
    if isinstance(entries, Mapping):
        where = "register_weights"
        new = {name: parse_entry(name, values, where) for name, values in entries.items()}
        _check_tags(new, where)
    else:
        try:
            new = _named(os.fspath(entries))
        except UnreachableError as error:
            raise WeightsError(f"{error} Check the address, or give the path of a copy.") from error
    older = {name: entry for name, entry in _registered.items() if name not in new}
    _registered.clear()
    _registered.update(new | older)


def manifest_path() -> Path:
    """The file that counts: in a source tree the top-level one, in an installed package the copy its build made."""
    top = ROOM.parents[1]
    is_source_tree = all((top / name).is_file() for name in ("setup.cfg", MANIFEST_FILE))
    return (top if is_source_tree else ROOM) / MANIFEST_FILE


def read_manifest(path: Path) -> dict[str, Entry]:
    """A manifest file: name → entry, in the file's order.

    Raises:
        WeightsError: it is missing or malformed; names file and entry.
    """
    return parse_manifest(read_bytes(path), path)


read_once = cache(read_manifest)


def parse_manifest(content: bytes, where: Path | str) -> dict[str, Entry]:
    """The content of a manifest: name → entry, in its order.

    Args:
        content: its bytes.
        where: what to call it in errors.

    Raises:
        WeightsError: it is malformed; names file and entry.
    """
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise WeightsError(f"{where} is not JSON: {error}. Restore it from where it came.") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise WeightsError(
            f"{where} has the format {found!r}, but this version reads {FORMAT}. Install the version it belongs to."
        )
    weights = manifest.get("weights")
    if not isinstance(weights, dict):
        raise WeightsError(f"{where}: 'weights' must be an object of name → entry. Restore it from where it came.")
    entries = {name: parse_entry(name, values, where) for name, values in weights.items()}
    _check_tags(entries, where)
    return entries


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
    tags: dict[str, Entry] = {}
    for entry in load_manifest().values():
        if entry.architecture == architecture:
            for tag in (entry.tag, *entry.aliases):
                tags.setdefault(same_dashes(tag), entry)
    return tags


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


def _named(place: str) -> dict[str, Entry]:
    """The entries of a manifest's path or URL.

    Raises:
        UnreachableError: there is nothing there.
        WeightsError: what is there is malformed.
    """
    if place.startswith(URLS):
        return _fetch_once(place)
    path = Path(place).expanduser()
    if not path.exists():
        raise UnreachableError(f"The manifest {place} cannot be read: there is no such file.")
    return read_once(path)


@cache
def _fetch_once(url: str) -> dict[str, Entry]:
    content = fetch(url)
    entries = parse_manifest(content, url)
    keep(url, content)
    return entries


def _reached(place: str) -> dict[str, Entry]:
    """The same; of a place that cannot be reached what was kept of it, or nothing, with a warning."""
    if place in _unreached:
        return _unreached[place]
    try:
        return _named(place)
    except UnreachableError as error:
        kept = kept_copy(place) if place.startswith(URLS) else None
        counts = "only the package's own weights are known" if kept is None else "the copy kept of it counts"
        warnings.warn(f"{str(error).rstrip('.')}, so {counts} ({MANIFEST_VARIABLE}).", stacklevel=4)
        entries = {} if kept is None else parse_manifest(kept, f"the copy of {place}")
        if place.startswith(URLS):
            _unreached[place] = entries  # or every question would wait for it again
        return entries


def _check_tags(entries: Mapping[str, Entry], where: Path | str) -> None:
    owners: dict[tuple[str, str], str] = {}
    for entry in entries.values():
        for tag in {same_dashes(tag) for tag in (entry.tag, *entry.aliases)}:
            owner = owners.setdefault((entry.architecture, tag), entry.name)
            if owner != entry.name:
                raise WeightsError(f"{where}: entry {entry.name!r} has the tag {tag!r}, which {owner!r} has already.")
