"""What a run is: model, options and inputs. A run is continued only by one that is the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import torch

from pylon_zoo import remote
from pylon_zoo._version import __version__
from pylon_zoo.deployment.prediction.items import Item
from pylon_zoo.deployment.prediction.places import Place
from pylon_zoo.errors import ConfigError
from pylon_zoo.weights.checkpoint import model_config

if TYPE_CHECKING:
    from pylon_zoo.models.contract import HeatmapClassifier

Manifest = dict[str, dict[str, Any]]
"""`{"made_by": …, "model": …, "options": …, "inputs": …}`, each a table of JSON values."""

SHOWN_AT_MOST = 40  # characters of a value in a message; a hash says enough by being another


def make_manifest(
    model: HeatmapClassifier, name: str, options: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Manifest:
    """What identifies a run.

    Args:
        model: its weights and description are hashed.
        name: what the user calls it.
        options: whatever changes the result.
        inputs: `{"images": N, "sha256": …}` of `listed`.
    """
    config = json.dumps(model_config(model, {}), sort_keys=True)
    thresholds = None if model.thresholds is None else list(model.thresholds)
    return {
        "made_by": {"pylon_zoo": __version__, "torch": torch.__version__},
        "model": {
            "name": name,
            "architecture": model.architecture,
            "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
            "weights_sha256": _weights_sha256(model),
            "own_thresholds": thresholds,
        },
        "options": dict(options),
        "inputs": dict(inputs),
    }


def _weights_sha256(model: HeatmapClassifier) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def listed(items: Iterable[Item], spool: IO[str]) -> dict[str, Any]:
    """Write items to a file, a line each, and say how many and which they are.

    Args:
        items: of all inputs.
        spool: an empty text file.

    Returns:
        `{"images": N, "sha256": …}`: other for other places, sizes or times of change of the files.
    """
    digest, count, last = hashlib.sha256(), 0, ("", "")
    for item in items:
        line = item.to_line()
        if item.file != last[0]:
            last = (item.file, _state(item.file))
        digest.update(f"{line}{last[1]}\n".encode())
        spool.write(line)
        count += 1
    return {"images": count, "sha256": digest.hexdigest()}


def unlisted(spool: IO[str]) -> Iterator[Item]:
    """The items that `listed` wrote."""
    spool.seek(0)
    for number, line in enumerate(spool):
        yield Item.from_line(line, number)


def _state(file: str) -> str:
    try:
        if remote.is_remote(file):
            return remote.version(file)
        found = os.stat(file)  # noqa: PTH116 (a million times; no Path is needed)
    except (OSError, ValueError):
        return "cannot be had"
    return f"{found.st_size} {found.st_mtime_ns}"


def check_same(before: Mapping[str, Any], now: Manifest, where: Place) -> None:
    """Refuse to continue a run that is another.

    Args:
        before: the manifest found.
        now: that of this run.
        where: what was found, for the message.

    Raises:
        ConfigError: names what differs, both ways.
    """
    different = [
        f"{table}.{key} ({_short(before.get(table, {}).get(key))} there, {_short(now[table].get(key))} now)"
        for table in now
        for key in sorted({*before.get(table, {}), *now[table]})
        if before.get(table, {}).get(key) != now[table].get(key)
    ]
    if different:
        raise ConfigError(
            f"{where} is from another run, which differs in {'; '.join(different)}. Give another --out, or --overwrite "
            "to start anew."
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_AT_MOST else f"{text[: SHOWN_AT_MOST - 1]}…"
