"""A figure as data: everything it was drawn from, as a TOML file beside it, from which it can be drawn again."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.data.registry import DATASETS, parse_data_spec
from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.explanation.explainer import SCALINGS
from pylon_zoo.figures.kinds import MAPS, SUMMARIES
from pylon_zoo.figures.saving import DPI, FORMATS
from pylon_zoo.figures.style import WIDTHS
from pylon_zoo.training.sections import Origin, build, dump, plain, setting

OWN = "own"
"""In place of an attribution method: the model's own heatmaps."""
SUFFIX = ".toml"


@dataclass(frozen=True)
class DataSection:
    """`[data]`: where images with boxes come from.

    Args:
        name: `NAME` or `NAME:DIR`, as `--data` takes it.
        split: `"train"`, `"val"` or `"test"`.
        options: of the dataset.

    Example:
        >>> DataSection("coco:tiles", "val").options
        {}
    """

    name: str = setting("")
    split: str = setting("test", choices=("train", "val", "test"))
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RowSection:
    """`[[rows]]`: an image and the class whose maps are shown of it.

    Args:
        image: path of the image; or
        index: its place in the split of `[data]`, from 0.
        label: the class; None is the one that is boxed or present, else the most probable one.
        name: what stands beside the row; None is the class.

    Example:
        >>> RowSection(image="chest.png", label="Nodule").index is None
        True
    """

    image: str | None = None
    index: int | None = setting(None, at_least=0)
    label: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class ColumnSection:
    """`[[columns]]`: a model, and whose maps of it.

    Args:
        model: a name with its weights' tag; or
        checkpoint: a checkpoint folder, or the folder of a run.
        method: an attribution method, or `"own"` for the model's own heatmaps.
        layers: that the method looks at; None is the last map.
        name: what stands above the column; None is the method's.

    Example:
        >>> ColumnSection(checkpoint="run", method="grad_cam").name is None
        True
    """

    model: str | None = None
    checkpoint: str | None = None
    method: str = setting(OWN)
    layers: tuple[str, ...] | None = None
    name: str | None = None


@dataclass(frozen=True)
class SourceSection:
    """`[[sources]]`: a folder that `train` or `evaluate` wrote.

    Args:
        folder: it.
        name: of its curves; None is the model's or the folder's.

    Example:
        >>> SourceSection("found", "Ours").name
        'Ours'
    """

    folder: str = setting("")
    name: str | None = None


@dataclass(frozen=True)
class Common:
    """What every figure has.

    Args:
        kind: a key of `pylon_zoo.figures.kinds.SUMMARIES`.
        width: inches.
        dpi: pixels per inch of PNG, and of images in the others.
        formats: the files that are written.
    """

    kind: str = setting("")
    width: float = setting(WIDTHS["column"])
    dpi: int = setting(DPI, at_least=50, at_most=2400)
    formats: tuple[str, ...] = setting(tuple(FORMATS), choices=tuple(FORMATS))


@dataclass(frozen=True)
class MapsRecipe(Common):
    """Rows of images, columns of methods or models.

    Args:
        scaling: colours from probability 0 to 1, or from each map's minimum to its maximum.
        placement: where heatmaps' cells are drawn, `"exact"` or `"paper"`.
        views: of every image that are averaged.
        bare: also show the image without a map, first in its row.
        data: where rows with an index come from.
        rows: at least one.
        columns: at least one.

    Example:
        >>> one = MapsRecipe("maps", rows=(RowSection(image="a.png"),), columns=(ColumnSection(checkpoint="run"),))
        >>> one.width, one.dpi, one.formats
        (3.5, 300, ('pdf', 'svg', 'png'))
    """

    scaling: str = setting("absolute", choices=SCALINGS)
    placement: str = setting("exact", choices=("exact", "paper"))
    views: str = setting("none")
    bare: bool = setting(True)
    data: DataSection | None = None
    rows: tuple[RowSection, ...] | None = None
    columns: tuple[ColumnSection, ...] | None = None


@dataclass(frozen=True)
class CurvesRecipe(Common):
    """Curves or points of one or several folders.

    Args:
        classes: that are shown; None is all.
        sources: at least one.

    Example:
        >>> CurvesRecipe("roc", sources=(SourceSection("found"),), classes=("Nodule",)).kind
        'roc'
    """

    classes: tuple[str, ...] | None = None
    sources: tuple[SourceSection, ...] | None = None


Recipe = MapsRecipe | CurvesRecipe


def recipe_text(recipe: Recipe, folder: Path, name: str) -> str:
    """The recipe as the content of a file `name` in `folder`; paths in it are seen from there."""
    header = (
        f"# pylon-zoo figure --recipe {name} draws this figure again (pylon_zoo {__version__}).",
        "# Paths are seen from the folder of this file, width is in inches.",
    )
    return "\n".join([*header, "", ""]) + dump(plain(_with_paths(recipe, lambda path: _from_folder(path, folder))))


def read_recipe(path: str | Path) -> Recipe:
    """A recipe of a figure, its paths seen from where the process runs.

    Args:
        path: of the TOML file.

    Returns:
        A `MapsRecipe` or a `CurvesRecipe`, every setting checked.

    Raises:
        ConfigError: no file, no TOML, not the recipe of a figure, or a value that cannot be.
        UnknownNameError: a setting or kind that does not exist; names the nearest.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "one.toml")
        >>> written = path.write_text('kind = "roc"\\nsources = [{folder = "found", name = "Ours"}]')
        >>> read_recipe(path).sources[0].name
        'Ours'
    """
    table = read_toml(Path(path))
    kind = table.get("kind")
    if kind not in SUMMARIES:
        raise UnknownNameError(
            f"{path}: kind = {kind!r} is no kind of figure: {', '.join(SUMMARIES)}.{suggest(str(kind), SUMMARIES)}"
        )
    origin = Origin(str(path))
    recipe = build(MapsRecipe, table, origin) if kind == MAPS else build(CurvesRecipe, table, origin)
    folder = Path(path).parent
    return _with_paths(recipe, lambda given: os.path.normpath(folder / Path(given).expanduser()))


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error.strerror}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not a TOML file: {error}. Give the recipe that was saved beside a figure."
        ) from error


def _from_folder(path: str, folder: Path) -> str:
    """A path as it is seen from a folder; absolute ones stay so."""
    if Path(path).is_absolute() or path.startswith("~"):
        return path
    return Path(os.path.relpath(path, folder)).as_posix()


def _with_paths(recipe: Recipe, change: Callable[[str], str]) -> Recipe:
    """The recipe with every path in it changed."""
    if isinstance(recipe, CurvesRecipe):
        return replace(
            recipe, sources=tuple(replace(one, folder=change(one.folder)) for one in recipe.sources or ()) or None
        )
    rows = tuple(one if one.image is None else replace(one, image=change(one.image)) for one in recipe.rows or ())
    columns = tuple(
        one if one.checkpoint is None else replace(one, checkpoint=change(one.checkpoint))
        for one in recipe.columns or ()
    )
    data = recipe.data
    if data is not None:
        name, folder = parse_data_spec(data.name)
        if folder is not None and DATASETS[name].local:
            written, _, given = data.name.partition(":")
            data = replace(data, name=f"{written}:{change(given)}")
    return replace(recipe, rows=rows or None, columns=columns or None, data=data)
