"""From a recipe to a figure and its files, and from the file of a recipe to the same figure again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pylon_zoo.errors import ConfigError
from pylon_zoo.figures.gather import gather
from pylon_zoo.figures.kinds import SUMMARIES
from pylon_zoo.figures.maps import draw_maps
from pylon_zoo.figures.recipe import SUFFIX, CurvesRecipe, MapsRecipe, Recipe, read_recipe, read_toml, recipe_text
from pylon_zoo.figures.saving import content_of, formats_of
from pylon_zoo.figures.style import EXTRA, checked_width
from pylon_zoo.files import make_folder, write_together
from pylon_zoo.lazy import LateTable, late
from pylon_zoo.optional import require

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

DRAWERS: LateTable[Callable[[CurvesRecipe], Figure]] = LateTable(
    {
        "learning": late("pylon_zoo.figures.learning:draw_learning"),
        "roc": late("pylon_zoo.figures.curves:draw_curves"),
        "precision-recall": late("pylon_zoo.figures.curves:draw_curves"),
        "thresholds": late("pylon_zoo.figures.curves:draw_thresholds"),
        "offsets": late("pylon_zoo.figures.offsets:draw_offsets"),
    }
)
"""Kind, but for maps, whose images and models are gathered first → what draws it."""


def draw(recipe: Recipe, *, device: str | torch.device = "cpu") -> tuple[Figure, Recipe]:
    """The figure of a recipe.

    Args:
        recipe: of any kind.
        device: where models run.

    Returns:
        The figure, and the recipe with everything that was chosen along the way: classes of rows, names.

    Raises:
        ConfigError, UnknownNameError, DataError, WeightsError: what the recipe names cannot be had, or does not fit.
        MissingDependencyError: Matplotlib is not installed.

    Example:
        >>> from pylon_zoo.figures import ColumnSection, DataSection, MapsRecipe, RowSection
        >>> columns = (ColumnSection(model="pylon_resnet18.phantom_cxr"),)
        >>> data = DataSection("phantom", options={"count": 4, "size": 64})
        >>> figure, recipe = draw(MapsRecipe("maps", data=data, rows=(RowSection(index=0),), columns=columns))
        >>> recipe.columns[0].name
        'PYLON'
    """
    require("matplotlib", EXTRA)  # now rather than after the last model
    checked_width(recipe.width)
    if isinstance(recipe, MapsRecipe):
        rows, titles, recipe = gather(recipe, device=device)
        return draw_maps(rows, titles, width=recipe.width, dpi=recipe.dpi, bare=recipe.bare), recipe
    return DRAWERS[recipe.kind](recipe), recipe


def write(recipe: Recipe, out: str | Path, *, device: str | torch.device = "cpu") -> list[Path]:
    """Draw a figure and write it with its recipe beside it, all files or none.

    Args:
        recipe: of any kind; its `formats` are written.
        out: path of the files without their suffix.
        device: where models run.

    Returns:
        The files, the recipe last.

    Raises:
        ConfigError, UnknownNameError, DataError, WeightsError, MissingDependencyError: as for `draw`; the folder cannot
            be one, or a `.toml` that is no figure's recipe is in the way.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.figures import ColumnSection, DataSection, MapsRecipe, RowSection
        >>> columns = (ColumnSection(model="pylon_resnet18.phantom_cxr"),)
        >>> data = DataSection("phantom", options={"count": 4, "size": 64})
        >>> rows = (RowSection(index=0),)
        >>> recipe = MapsRecipe("maps", formats=("svg",), data=data, rows=rows, columns=columns)
        >>> [path.name for path in write(recipe, Path(mkdtemp(), "one"))]
        ['one.svg', 'one.toml']
    """
    path = Path(out)
    check_recipe_place(path)
    figure, recipe = draw(recipe, device=device)
    folder = make_folder(path.parent)
    contents = {f"{path.name}.{kind}": content_of(figure, kind, recipe.dpi) for kind in recipe.formats}
    name = f"{path.name}{SUFFIX}"
    write_together(folder, contents | {name: recipe_text(recipe, folder, name).encode("utf-8")})
    return [folder / one for one in (*contents, name)]


def redraw(path: str | Path, out: str | Path | None = None, *, device: str | torch.device = "cpu") -> list[Path]:
    """Draw a figure again from its recipe.

    Args:
        path: of the recipe.
        out: as for `pylon_zoo.figures.save`; None writes the recipe's formats beside it and leaves the recipe alone.
        device: where models run.

    Returns:
        The files.

    Raises:
        ConfigError, UnknownNameError, DataError, WeightsError, MissingDependencyError: as for `write`, or the recipe
            cannot be read.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "one.toml")
        >>> columns = '[[columns]]\\nmodel = "pylon_resnet18.phantom_cxr"\\n'
        >>> rows = '[[rows]]\\nindex = 0\\n[data]\\nname = "phantom"\\noptions = {count = 4, size = 64}\\n'
        >>> written = path.write_text(f'kind = "maps"\\nformats = ["svg"]\\n{columns}{rows}')
        >>> [one.name for one in redraw(path)]
        ['one.svg']
    """
    recipe = read_recipe(path)
    if out is not None:
        target, formats = formats_of(out)
        return write(replace(recipe, formats=formats), target, device=device)
    figure, _ = draw(recipe, device=device)
    target = Path(path).with_suffix("")
    contents = {f"{target.name}.{kind}": content_of(figure, kind, recipe.dpi) for kind in recipe.formats}
    write_together(target.parent, contents)
    return [target.parent / name for name in contents]


def check_recipe_place(out: Path) -> None:
    """Make sure that the recipe beside a figure replaces nothing but the recipe of one.

    Raises:
        ConfigError: another TOML file has its name.
    """
    path = out.with_name(f"{out.name}{SUFFIX}")
    if path.exists() and read_toml(path).get("kind") not in SUMMARIES:
        raise ConfigError(f"{path}, where the figure's recipe would go, is another TOML file: give another --out.")
