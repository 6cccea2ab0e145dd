"""Recipes as TOML files: those that ship, those of the user, and settings given on the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pylon_zoo.data.registry import DATASETS
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.sections import Origin, build

RECIPE_FOLDER = Path(__file__).parent / "recipes"


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), data: str | None = None) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: a name of `list_recipes()`, or the path of a `.toml` file.
        overrides: `"key=value"` with a dotted key and a TOML value (a bare word is taken as a string); later ones win.

        data: `NAME[:DIR]` in place of the recipe's dataset. A different dataset keeps the recipe's size and
            augmentation, and leaves the options, mean and standard deviation of the recipe's own behind.

    Returns:
        The recipe, every setting checked.

    Raises:
        UnknownNameError: no such recipe or setting; names the nearest.
        ConfigError: not TOML, a value of the wrong type or an impossible one; names file and key.

    Example:
        >>> load_recipe("nih_cxr14_pylon_resnet50_256", ["loop.batch_size=8"]).loop.batch_size
        8
    """
    path = recipe_path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}. Compare it with `pylon-zoo recipes show`.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    if data is not None and isinstance(table.get("data", {}), dict):
        table["data"] = _on_data(table.get("data", {}), data)
    settings = dict(parse_override(text) for text in overrides)
    for key, value in settings.items():
        _put(table, key, value)
    return recipe_from_table(
        table, Origin(path.name if path.parent == RECIPE_FOLDER else str(path), frozenset(settings))
    )


def recipe_from_table(table: Mapping[str, Any], origin: Origin) -> Recipe:
    """A recipe from nested tables as `tomllib` reads them; `origin` names their source in messages."""
    recipe = replace(build(Recipe, table, origin), origin=origin)
    recipe.make_schedule()
    return recipe


def parse_override(text: str) -> tuple[str, Any]:
    """`"optimizer.lr=1e-3"` as dotted key and value.

    Raises:
        ConfigError: not of that form.

    Example:
        >>> parse_override("optimizer.lr=1e-3"), parse_override("data.augmentation=flip")
        (('optimizer.lr', 0.001), ('data.augmentation', 'flip'))
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"--set {text!r} is not of the form key=value, for example optimizer.lr=1e-3.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        # A shell eats the quotes of a string, so a plain word stands for itself.
        if re.fullmatch(r"[A-Za-z_./~][\w./:~@+-]*", value):
            return key, value
        raise ConfigError(
            f'--set {key}: {value!r} is not a TOML value (a number, true, false, "text", [a, b]).'
        ) from None


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package, sorted."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.toml"))


def recipe_path(name_or_path: str | Path) -> Path:
    """The file behind a recipe argument.

    Args:
        name_or_path: a shipped name (dashes for underscores allowed) or the path of a `.toml` file.

    Raises:
        UnknownNameError: there is neither.
    """
    given = Path(name_or_path)
    if given.suffix == ".toml" and given.is_file():
        return given
    shipped = RECIPE_FOLDER / f"{str(name_or_path).replace('-', '_')}.toml"
    if given.name == str(name_or_path) and shipped.is_file():
        return shipped
    if given.suffix == ".toml":
        raise UnknownNameError(
            f"There is no recipe file {given}. Shipped recipes are shown by `pylon-zoo recipes list`."
        )
    near = suggest(str(name_or_path), list_recipes()) or f" Shipped recipes: {', '.join(list_recipes())}."
    raise UnknownNameError(f"There is no recipe '{name_or_path}'.{near}")


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested tables."""
    *sections, last = key.split(".")
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: '{section}' is a value, not a section with settings in it.")
        table = inner
    table[last] = value


def _on_data(table: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """A recipe's `[data]` on other data: what belongs to its own dataset does not travel to a different one."""
    mine, other = (DATASETS.get(one.partition(":")[0].replace("-", "_")) for one in (str(table.get("name")), spec))
    kept = dict(table) if mine == other else {key: table[key] for key in ("size", "augmentation") if key in table}
    return {**kept, "name": spec}
