"""Names on the command line that stand in a table of the library: a mistyped one is refused before torch is imported.

Without this each command would find out by itself, seconds later.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.lazy import LateTable, late

CHECKS: LateTable[Callable[[str], object]] = LateTable(
    {
        "data": late("pylon_zoo.data.registry:parse_data_spec"),
        "format": late("pylon_zoo.deployment.registry:check_format"),
        "method": late("pylon_zoo.attribution.registry:attribution_key"),
        "methods": late("pylon_zoo.cli.names:check_method"),
        "metrics": late("pylon_zoo.cli.names:metric_names"),
        "trackers": late("pylon_zoo.training.trackers:check_tracker"),
    }
)
"""Option → what raises for a name that it cannot have."""


def check_names(args: argparse.Namespace) -> None:
    """Refuse options whose names stand in no table.

    Args:
        args: of any command.

    Raises:
        UnknownNameError: there is no such name; suggests the nearest.
        ConfigError: the name needs another one beside it, or none.
    """
    for option, given in vars(args).items():
        if option in CHECKS and given is not None:
            for name in given if isinstance(given, list) else [given]:
                CHECKS[option](name)
    if "checkpoint" in args:
        check_model(args)


def names_in(text: str) -> list[str]:
    """The names of an option `A,B`.

    Example:
        >>> names_in("Mass, Nodule,")
        ['Mass', 'Nodule']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


def metric_names(text: str | None) -> list[str]:
    """The metrics that `--metrics` names.

    Raises:
        UnknownNameError: there is no such metric.

    Example:
        >>> metric_names("energy, pxap"), metric_names(None), "peak_iou" in metric_names("all")
        (['energy', 'pxap'], [], True)
    """
    from pylon_zoo.metrics.faithfulness import check_metrics
    from pylon_zoo.metrics.localization import LOCALIZATION

    names: list[str] = []
    for name in names_in(text or ""):
        names += LOCALIZATION if name == "all" else [name]
    check_metrics(names)
    return list(dict.fromkeys(names))


def check_model(args: argparse.Namespace) -> None:
    """Refuse `--model` where it names no weights, and `--pretrained` where it has no meaning.

    Args:
        args: with the options of `pylon_zoo.cli.arguments.add_model`.

    Raises:
        UnknownNameError: no such model or tag.
        ConfigError: `--pretrained` beside `--checkpoint`, or a name without weights.
    """
    if not args.checkpoint:
        check_weights(args.model, args.pretrained)
    elif args.pretrained:
        raise ConfigError("--pretrained names the weights of a --model; a --checkpoint has its own. Leave one out.")


def check_weights(model: str, pretrained: str | None = None) -> None:
    """Refuse a model's name that names no weights, or none that there are.

    Args:
        model: perhaps with a tag.
        pretrained: the tag, where the name has none.

    Raises:
        UnknownNameError: no such model or tag.
        ConfigError: there is no tag.
    """
    from pathlib import Path

    from pylon_zoo.models.methods import split_name
    from pylon_zoo.models.names import check_architecture
    from pylon_zoo.weights.manifest import find

    architecture, _, tag = model.partition(".")
    if not (pretrained or tag):
        raise _no_weights(model)
    check_architecture(split_name(architecture)[1])
    which = pretrained or tag
    if ":" not in which and "/" not in which and not Path(which).exists():  # else it is an address or a folder
        find(architecture, which)


def check_method(name: str) -> None:
    """Refuse what is neither an attribution method nor `own`, the model's own heatmaps.

    Raises:
        UnknownNameError: it is neither.
    """
    from pylon_zoo.attribution.registry import attribution_key

    if name != "own":
        attribution_key(name)


def _no_weights(name: str) -> ConfigError | UnknownNameError:
    """Why a name alone is not enough, and what would be."""
    from pylon_zoo.factory import list_models, list_pretrained

    models = list_models()
    if name not in models:
        return UnknownNameError(f"There is no model {name!r}.{suggest(name, models)} See: pylon-zoo list")
    weights = list_pretrained(f"{name}.*") or list_pretrained()
    offer = f"Weights that can be had now: {', '.join(weights)}." if weights else "No weights can be had by name now."
    return ConfigError(
        f"--model {name} names no weights, and random weights explain nothing: add a tag to the name, or --pretrained "
        f"TAG, or give --checkpoint DIR. {offer}"
    )
