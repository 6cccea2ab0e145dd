"""`pylon-zoo data ACTION`: what can be done with a dataset before anything is trained on it."""

from __future__ import annotations

import argparse
from importlib import import_module

ACTIONS: dict[str, tuple[str, str]] = {
    "download": ("pylon_zoo.cli.data_download", "download a release, or say how to get it and check what arrived"),
    "check": ("pylon_zoo.cli.data_check", "read everything once: counts, labels, boxes, and all that is wrong"),
    "prepare": ("pylon_zoo.cli.data_prepare", "write a copy with smaller images, which loads faster"),
}
"""Action → module with `add_arguments(parser)` and `run(args) -> int`, and what it does in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every action."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, summary) in ACTIONS.items():
        import_module(module).add_arguments(actions.add_parser(name, help=summary))


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    code: int = import_module(ACTIONS[args.action][0]).run(args)
    return code
