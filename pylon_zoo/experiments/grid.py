"""A grid: the rows of a table, each a recipe to train and a way to get heatmaps from it. Grids are TOML files."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError, UnknownNameError, suggest
from pylon_zoo.metrics.localization import LOCALIZATION
from pylon_zoo.models.viewpoints import VIEWS
from pylon_zoo.placements import PLACEMENTS
from pylon_zoo.training.sections import Origin, build, setting

GRID_FOLDER = Path(__file__).parent / "grids"
PAPER_FOLDER = Path(__file__).parent / "paper"


@dataclass(frozen=True)
class Row:
    """One row: a training run per seed, and heatmaps from it.

    Args:
        name: in the table.
        recipe: what is trained; rows with the same recipe and settings share their runs.
        settings: `"key=value"` changes to the recipe.
        method: attribution method for the heatmaps instead of the model's own; empty for those.
        views: of each image that heatmaps are the mean of, a key of `pylon_zoo.models.viewpoints.VIEWS`.
        start: recipe of the run that this one's weights come from (its seed 0); empty for a recipe that needs none.
        column: of the paper's table; empty when the paper has no such row.

    Example:
        >>> Row("PYLON", recipe="phantom_pylon", settings=("loop.precision=no",)).views
        'none'
    """

    name: str = setting("")
    recipe: str = setting("")
    settings: tuple[str, ...] = ()
    method: str = setting("")
    views: str = setting("none", choices=tuple(VIEWS))
    start: str = setting("")
    column: str = setting("")


@dataclass(frozen=True)
class Grid:
    """A table to be filled.

    Args:
        title: one line.
        data: the dataset it is defined on, as `--data` takes it.
        split: that is evaluated.
        placement: where heatmaps' cells are judged to lie, see `pylon_zoo.evaluation.evaluate.evaluate`; `"paper"` in
            tables that stand beside the paper's, or were begun before there was a choice.
        metrics: of `pylon_zoo.metrics.LOCALIZATION`, besides point accuracy.
        paper: file in `paper/` with the paper's figures, one row a class; empty without.
        name: of its file.
        rows: in the table's order.

    Example:
        >>> [row.name for row in load_grid("table1").select(["PYLON*"])]
        ['PYLON']
    """

    title: str = setting("")
    data: str = setting("")
    split: str = setting("test")
    placement: str = setting("exact", choices=PLACEMENTS)
    metrics: tuple[str, ...] = setting((), choices=tuple(LOCALIZATION))
    paper: str = setting("")
    name: str = field(default="", metadata={"internal": True})
    rows: tuple[Row, ...] = field(default=(), metadata={"internal": True})

    def select(self, patterns: Sequence[str]) -> tuple[Row, ...]:
        """The rows whose name or recipe matches one of the shell patterns, letter case aside; all without patterns.

        Raises:
            UnknownNameError: a pattern that matches nothing; names the rows.
        """
        found: set[int] = set()
        for pattern in patterns:
            hits = {
                place
                for place, row in enumerate(self.rows)
                if any(fnmatchcase(text.lower(), pattern.lower()) for text in (row.name, row.recipe))
            }
            if not hits:
                names = [row.name for row in self.rows]
                raise UnknownNameError(
                    f"No row of {self.name} matches {pattern!r}.{suggest(pattern, names)} Its rows: {', '.join(names)}."
                )
            found |= hits
        return tuple(row for place, row in enumerate(self.rows) if place in found or not patterns)

    def published(self) -> dict[str, dict[str, float]]:
        """Column → class, or `"macro"` and `"weighted"` → the paper's point accuracy; empty without a paper's table."""
        if not self.paper:
            return {}
        with (PAPER_FOLDER / self.paper).open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        averages = {"Macro avg.": "macro", "Weight. avg.": "weighted", "Weighted. avg.": "weighted"}
        columns = [name for name in lines[0] if name not in ("class", "average_area")]
        return {
            column: {averages.get(line["class"], line["class"]): float(line[column]) for line in lines}
            for column in columns
        }


def list_grids() -> list[str]:
    """Names of the grids that ship with the package, sorted.

    Returns:
        Names, as `pylon-zoo reproduce` takes them.

    Example:
        >>> "table1" in list_grids()
        True
    """
    return sorted(path.stem for path in GRID_FOLDER.glob("*.toml"))


def load_grid(name: str) -> Grid:
    """Read a grid.

    Args:
        name: one of `list_grids()`; dashes for underscores allowed.

    Returns:
        The grid, with its rows.

    Raises:
        UnknownNameError: no such grid, or a key that means nothing; names the nearest.
        ConfigError: a row without name or recipe, or two of the same name.

    Example:
        >>> [row.name for row in load_grid("table1").rows][:2]
        ['Baseline', 'GradCAM']
    """
    path = GRID_FOLDER / f"{name.replace('-', '_')}.toml"
    if name != Path(name).name or not path.is_file():
        raise UnknownNameError(
            f"There is no table '{name}'.{suggest(name, list_grids())} There are {', '.join(list_grids())}."
        )
    return grid_from_table(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))


def grid_from_table(name: str, table: Mapping[str, Any]) -> Grid:
    """A grid from nested tables as `tomllib` reads them."""
    origin = Origin(f"{name}.toml")
    top = build(Grid, {key: value for key, value in table.items() if key != "rows"}, origin)
    rows = tuple(build(Row, row, origin, f"rows[{place}].") for place, row in enumerate(table.get("rows", [])))
    for place, row in enumerate(rows):
        if not (row.name and row.recipe):
            raise ConfigError(f"{origin.at(f'rows[{place}]')} needs a name and a recipe.")
        if row.name in [other.name for other in rows[:place]]:
            raise ConfigError(f"{origin.at(f'rows[{place}].name')} {row.name!r} stands in two rows. Rename one.")
    return replace(top, name=name, rows=rows)
