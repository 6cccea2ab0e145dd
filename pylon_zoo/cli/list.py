"""`pylon-zoo list [PATTERN]`: names that `--model` takes."""

from __future__ import annotations

import argparse

from pylon_zoo.errors import UnknownNameError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="shell wildcards, quoted: '*resnet*'"
    )
    parser.add_argument("--pretrained", action="store_true", help="only names with weights that can be had now")


def run(args: argparse.Namespace) -> int:
    """Print one name per line."""
    from pylon_zoo.factory import list_models, list_pretrained

    names = list_pretrained(args.pattern) if args.pretrained else list_models(args.pattern)
    if not names:
        what = "name with weights" if args.pretrained else "model name"
        raise UnknownNameError(f"No {what} matches {args.pattern!r}. Put * where anything may stand, as in '*resnet*'.")
    print("\n".join(names))
    return 0
