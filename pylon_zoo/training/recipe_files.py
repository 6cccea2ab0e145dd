"""Recipes as TOML files: those that ship, those of the user, and settings given on the command line.

A recipe may start from another (`base`), and the command line changes one; both are a layer on top of a recipe, and
`inherit` says what of the lower layer still holds.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pylon_zoo.data.registry import DatasetEntry, dataset_of
from pylon_zoo.errors import ConfigError, PylonZooError, UnknownNameError, suggest
from pylon_zoo.models.methods import split_name
from pylon_zoo.training.overrides import changes_of
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.sections import Origin, build, check_keys, notes_of

RECIPE_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Choice:
    """A setting that others of its section belong to.

    Args:
        key: the setting.
        kind: a value of it → what must stay the same for the others to make sense.
        travels: the section's settings → those that make sense with another kind too.
    """

    key: str
    kind: Callable[[str], object]
    travels: Callable[[dict[str, Any]], dict[str, Any]]


PICTURES = ("size", "augmentation", "augment_on")
"""Settings of `[data]` that other data keep."""
CHOICES: dict[str, Choice] = {
    "model": Choice(
        "architecture",
        lambda name: name.partition("_")[0],
        lambda model: {
            **model,
            "options": {key: value for key, value in model.get("options", {}).items() if key.startswith("encoder_")},
        },
    ),
    "data": Choice("name", dataset_of, lambda data: {key: data[key] for key in PICTURES if key in data}),
    "schedule": Choice(
        "name", str, lambda schedule: {key: value for key, value in schedule.items() if key != "options"}
    ),
}
"""Section → its choice: another method leaves all options but the encoder's behind, other data everything but
`PICTURES`, another schedule its options."""


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), data: str | None = None) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: a name of `list_recipes()`, or the path of a `.toml` file.
        overrides: `"key=value"` with a dotted key and a TOML value (a bare word is taken as a string); later ones win.
        data: `NAME[:DIR]` in place of the recipe's dataset.

    Returns:
        The recipe, every setting checked. Overrides and data lie on it as a recipe lies on its base (`inherit`).

    Raises:
        UnknownNameError: no such recipe or setting; names the nearest.
        ConfigError: not TOML, a value of the wrong type or an impossible one; names file and key.

    Example:
        >>> load_recipe("nih_cxr14_pylon_resnet50_256", ["loop.batch_size=8"]).loop.batch_size
        8
    """
    path = recipe_path(name_or_path)
    table = read_table(path)
    if data is not None:
        table = inherit(table, {"data": {"name": data}})
    changes, keys = changes_of(overrides)
    recipe = recipe_from_table(inherit(table, changes), replace(_origin(path), overridden=keys))
    return recipe if overrides or data is not None else replace(recipe, notes=notes_of(path.read_text("utf-8")))


def describe_recipes(pattern: str = "*") -> dict[str, Recipe]:
    """The recipes that ship, to be listed: read without torch, and therefore without a look at their methods' options.

    Args:
        pattern: shell wildcard; dashes for underscores allowed.

    Returns:
        Name → recipe, sorted by name.

    Example:
        >>> describe_recipes("phantom-cxr-cam")["phantom_cxr_cam"].data.size
        192
    """
    files = {name: (read_table(path, check=_read_sections), _origin(path)) for name, path in _shipped(pattern)}
    return {name: _read_sections(*file) for name, file in files.items()}


def recipe_from_table(table: Mapping[str, Any], origin: Origin) -> Recipe:
    """A recipe from nested tables as `tomllib` reads them; `origin` names their source in messages.

    Raises:
        UnknownNameError: a setting, a method or an option does not exist; names the nearest.
        ConfigError: a value cannot be, or `base` is still there, which only files can name.
    """
    recipe = _read_sections(table, origin)
    _check_options(recipe)
    return recipe


def _read_sections(table: Mapping[str, Any], origin: Origin) -> Recipe:
    """The same, without a look at the options of its method and dataset."""
    recipe = replace(build(Recipe, table, origin), origin=origin)
    if recipe.base is not None:
        raise ConfigError(f"{origin.at('base')} is not possible here: only a recipe's file names its base.")
    recipe.make_schedule()
    return recipe


def read_table(
    path: Path,
    above: tuple[Path, ...] = (),
    check: Callable[[Mapping[str, Any], Origin], Recipe] = recipe_from_table,
) -> dict[str, Any]:
    """The tables of a recipe's file on those of its base, and of that one's.

    Args:
        path: of the file.
        above: the files that start from it.
        check: what refuses each file's settings that cannot be.

    Returns:
        What `recipe_from_table` takes; it has been checked.

    Raises:
        UnknownNameError, ConfigError: as `load_recipe`; or the bases go round in a circle.
    """
    own, origin = _parse(path), _origin(path)
    base = own.get("base")
    if isinstance(base, str):  # anything else is refused below
        files = (*above, path.resolve())
        under = _base_path(base, path)
        if under.resolve() in files:
            circle = " → ".join(one.name for one in (*files, under))
            raise ConfigError(f"{origin.at('base')} goes round in a circle, {circle}: remove it from one of them.")
        lower = {key: value for key, value in read_table(under, files, check).items() if key != "description"}
        own = inherit(lower, {key: value for key, value in own.items() if key != "base"})
    check(own, origin)
    return own


def inherit(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """A layer of settings on a sound recipe's: table by table, the upper one wins.

    Where it makes another choice (`CHOICES`), what belongs to the lower one's does not shine through.

    Args:
        lower: the tables of a recipe.
        upper: tables on top of it, which may be wrong: that is found out later.

    Example:
        >>> lower = {"model": {"architecture": "pylon_resnet18", "options": {"attention": False}}}
        >>> inherit(lower, {"model": {"architecture": "cam_resnet18"}, "loop": {"seed": 1}})
        {'model': {'architecture': 'cam_resnet18', 'options': {}}, 'loop': {'seed': 1}}
    """
    tables = dict(lower)
    for section, choice in CHOICES.items():
        wanted = upper.get(section)
        if not isinstance(wanted, dict) or not isinstance(wanted.get(choice.key), str):
            continue
        before = lower.get(section, {}).get(choice.key, getattr(getattr(Recipe(), section), choice.key))
        if choice.kind(wanted[choice.key]) != choice.kind(before):
            tables[section] = choice.travels(lower.get(section, {}))
    return _merge(tables, upper)


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of the recipes that ship with the package, sorted.

    Args:
        pattern: shell wildcard; dashes for underscores allowed.

    Returns:
        Names, as `load_recipe` takes them.

    Example:
        >>> list_recipes("phantom_cxr_*")[:2]
        ['phantom_cxr_cam', 'phantom_cxr_pointing']
    """
    return [name for name, _ in _shipped(pattern)]


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


def _shipped(pattern: str) -> list[tuple[str, Path]]:
    """Name and file of the recipes that ship and match a pattern, sorted."""
    files = sorted((path.stem, path) for path in RECIPE_FOLDER.glob("*.toml"))
    return [(name, path) for name, path in files if fnmatch.fnmatchcase(name, pattern.replace("-", "_"))]


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}. Compare it with `pylon-zoo recipes show`.") from error
    except OSError as error:
        raise ConfigError(f"Cannot read the recipe {path}: {error.strerror}.") from error


def _origin(path: Path) -> Origin:
    return Origin(path.name if path.parent == RECIPE_FOLDER else str(path))


def _base_path(base: str, path: Path) -> Path:
    """The file that `base` in the file `path` means: a shipped name, or a path from there."""
    try:
        return recipe_path(path.parent / base if base.endswith(".toml") else base)
    except UnknownNameError as error:
        raise UnknownNameError(f"{_origin(path).at('base')}: {error}") from error


def _check_options(recipe: Recipe) -> None:
    """Refuse options that the recipe's method or dataset does not take."""
    from pylon_zoo.models.build import method_options

    try:
        method, _ = split_name(recipe.model.architecture)
    except PylonZooError as error:
        raise type(error)(f"{recipe.origin.at('model.architecture')}: {error}") from error
    check_keys(recipe.model.options, method_options(method), recipe.origin, "model.options.")
    dataset = dataset_of(recipe.data.name)
    if isinstance(dataset, DatasetEntry):  # whether it exists is found out with its folder
        for part in ("options", "train", "val"):
            check_keys(getattr(recipe.data, part), dataset.options, recipe.origin, f"data.{part}.")


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables in one, in new ones; where both have a value, the upper's."""
    merged = dict(lower)
    for key, value in upper.items():
        below = lower.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
