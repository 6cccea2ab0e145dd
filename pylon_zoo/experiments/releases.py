"""Releases: the paper's weights that the manifest plans, and what has to be known to make them.

Nothing is written down here a second time: the manifest says which recipe trains an entry, and the grids say what is
judged, on which split, and whose weights a run starts from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.experiments.grid import Grid, Row, list_grids, load_grid
from pylon_zoo.training.recipe_files import list_recipes
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.manifest import load_manifest, same_dashes

PAPERS = "pylon_resnet50"
"""The architecture meant by a tag alone: the paper's PYLON."""
MADE = ("planned", "hub")
"""Sources of entries that a release makes, or makes again."""


@dataclass(frozen=True)
class Release:
    """Weights to be made and published.

    Attributes:
        entry: of the manifest.
        recipe: the shipped recipe that trains them.
        grid: the table that judges them: its split and placement.
        row: their row of it, which says whose weights they start from.

    Example:
        >>> release = find_release("vindr-cxr-transfer")
        >>> release.grid.split, release.row.start
        ('test', 'nih_cxr14_pylon_resnet50_256')
    """

    entry: Entry
    recipe: str
    grid: Grid
    row: Row

    @property
    def name(self) -> str:
        """How a command names it: with the architecture, unless that is the paper's PYLON."""
        tag = self.entry.tag.replace("_", "-")
        return tag if self.entry.architecture == PAPERS else f"{self.entry.architecture}.{tag}"


def list_releases() -> list[Release]:
    """What `pylon-zoo reproduce release` can make, in the manifest's order.

    Returns:
        The entries that a shipped recipe trains and a table judges.

    Example:
        >>> [release.name for release in list_releases()][:2]
        ['nih-cxr14', 'nih-cxr14-512']
    """
    return list(_releases())


def find_release(name: str) -> Release:
    """A release by name.

    Args:
        name: `<architecture>.<tag>`, or the tag of the paper's PYLON alone; aliases, dashes and underscores alike.

    Returns:
        The release.

    Raises:
        UnknownNameError: there is none; names the nearest.

    Example:
        >>> find_release("voc").recipe, find_release("cam_resnet50.nih-cxr14").recipe
        ('pascal_voc_pylon_resnet50_256', 'nih_cxr14_cam_resnet50_256')
    """
    architecture, _, tag = name.rpartition(".")
    wanted = (architecture or PAPERS, same_dashes(tag))
    releases = list_releases()
    for release in releases:
        entry = release.entry
        if wanted in {(entry.architecture, same_dashes(one)) for one in (entry.tag, *entry.aliases)}:
            return release
    names = [release.name for release in releases]
    raise UnknownNameError(f"There is no release '{name}'.{suggest(name, names)} There are {', '.join(names)}.")


def _releases() -> Iterator[Release]:
    shipped = set(list_recipes())
    judged: dict[str, tuple[Grid, Row]] = {}
    for grid in map(load_grid, list_grids()):
        for row in grid.rows:
            # The paper's table, where the recipe stands in several.
            if not row.method and not row.settings and (row.recipe not in judged or grid.paper):
                judged[row.recipe] = (grid, row)
    for entry in load_manifest().values():
        recipe = entry.recipe.partition(" ")[0]  # what follows are the settings that were changed
        if entry.source in MADE and recipe in shipped and recipe in judged:
            yield Release(entry, recipe, *judged[recipe])
