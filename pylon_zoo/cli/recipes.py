"""`pylon-zoo recipes list` and `pylon-zoo recipes show NAME`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="names and descriptions of the recipes that ship")
    show = actions.add_parser("show", help="a recipe with every setting spelled out")
    show.add_argument("name", metavar="NAME", help="a name of `pylon-zoo recipes list`, or a .toml file")
    show.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="with a setting changed"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    from pylon_zoo.training.recipe_files import list_recipes, load_recipe

    if args.action == "list":
        names = list_recipes()
        width = max(map(len, names), default=0)
        for name in names:
            print(f"{name:<{width}}  {load_recipe(name).description}")
    else:
        print(load_recipe(args.name, args.settings).to_toml(), end="")
    return 0
