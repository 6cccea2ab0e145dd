"""`pylon-zoo recipes list [PATTERN]`, `pylon-zoo recipes show NAME` and `pylon-zoo recipes settings`."""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_settings
from pylon_zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from pylon_zoo.training.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="names and descriptions of the recipes that ship")
    listing.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="shell wildcards, quoted: 'nih_*'")
    show = actions.add_parser("show", help="a recipe with every setting spelled out")
    show.add_argument("name", metavar="NAME", help="a name of `pylon-zoo recipes list`, or a .toml file")
    add_settings(show)
    actions.add_parser("settings", help="every setting a recipe may have, as a table in Markdown")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    from pylon_zoo.training.recipe_files import describe_recipes, load_recipe
    from pylon_zoo.training.settings import settings_table

    if args.action == "show":
        print(load_recipe(args.name, args.settings).to_toml(), end="")
        return 0
    if args.action == "settings":
        print(settings_table())
        return 0
    recipes = describe_recipes(args.pattern)
    if not recipes:
        raise UnknownNameError(f"No recipe matches {args.pattern!r}. Put * where anything may stand, as in '*pylon*'.")
    print("\n\n".join(listing(recipes)))
    return 0


def listing(recipes: dict[str, Recipe]) -> list[str]:
    """Recipes in groups of one dataset and image size, each a heading and a line for every recipe."""
    width = max(map(len, recipes))

    def heading(name: str) -> tuple[str, int]:
        return recipes[name].data.name, recipes[name].data.size

    return [
        "\n".join([f"{data}, {size} px", *(f"  {name:<{width}}  {recipes[name].description}" for name in group)])
        for (data, size), group in groupby(sorted(recipes, key=heading), key=heading)
    ]
