"""Published figures: what `pylon-zoo evaluate` wrote, of the very weights that are published, with its command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.weights.integrity import read_bytes

METRICS_FILE = "metrics.json"  # in the folder of an evaluation
SPEED = ("seconds", "images_per_second")  # of the machine that evaluated, not of the weights


def metrics_of(
    evaluation: str | Path, command: str | None, name: str, is_same: Callable[[str], bool]
) -> dict[str, Any]:
    """What an evaluation's folder says of some weights, and the command that made it.

    Args:
        evaluation: folder of `pylon-zoo evaluate`.
        command: the command.
        name: what to call the weights in errors.
        is_same: whether what the evaluation calls its model are those weights.

    Raises:
        ConfigError: without that command, or of other weights.
        WeightsError: the folder holds no evaluation.
    """
    path = Path(evaluation) / METRICS_FILE
    if not command:
        raise ConfigError(f"{path} needs the command that made it, so that others can make it too. Give --command.")
    try:
        metrics = json.loads(read_bytes(path))
        model = str(metrics["model"])
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} is no evaluation ({error}). pylon-zoo evaluate writes one.") from error
    if not is_same(model):
        raise ConfigError(f"{path} is of {model}, not of {name}. Evaluate the very weights that are published.")
    return {"command": command, **{key: value for key, value in metrics.items() if key not in SPEED}}
