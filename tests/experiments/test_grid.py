"""Grids: what ships is sound, and what is not sound is refused."""

from __future__ import annotations

import pytest

from pylon_zoo.attribution import ATTRIBUTIONS
from pylon_zoo.data.registry import DATASETS
from pylon_zoo.errors import PylonZooError, UnknownNameError
from pylon_zoo.experiments.grid import grid_from_table, list_grids, load_grid
from pylon_zoo.training.recipe_files import load_recipe

ROW = {"name": "PYLON", "recipe": "phantom_pylon"}


@pytest.mark.parametrize("name", list_grids())
def test_every_row_that_ships_can_be_run(name):
    grid = load_grid(name)
    assert grid.title
    assert grid.data in DATASETS
    columns = grid.published()
    for row in grid.rows:
        recipe = load_recipe(row.recipe, row.settings)
        assert DATASETS[recipe.data.name] is DATASETS[grid.data]
        assert row.method in ("", *ATTRIBUTIONS)
        assert bool(row.start) == recipe.transfer.required, "a recipe that needs weights says so, and only that"
        assert bool(row.column) == bool(columns)
        if columns:
            assert {"macro", "weighted"} < set(columns[row.column])


@pytest.mark.parametrize("name", [name for name in list_grids() if name.startswith("table")])
def test_a_table_has_every_column_of_the_papers(name):
    grid = load_grid(name)
    assert sorted(row.column for row in grid.rows) == sorted(grid.published())


def test_the_papers_figures_are_the_papers():
    assert load_grid("table1").published()["pylon"]["macro"] == 0.60
    assert load_grid("table2").published()["gradcam++"]["Nodule"] == 0
    assert load_grid("table4").published()["pylon_two_phase"]["weighted"] == 0.83


def test_rows_are_chosen_by_name_or_recipe():
    grid = load_grid("phantom_methods")
    assert [row.name for row in grid.select(["pylon*"])] == ["PYLON", "PYLON, one layer"]
    assert {row.recipe for row in grid.select(["phantom_cam"])} == {"phantom_cam"}
    assert grid.select([]) == grid.rows
    with pytest.raises(UnknownNameError, match=r"phantom_methods matches 'Unett'\. Did you mean 'Unet'\?"):
        grid.select(["PYLON", "Unett"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"name": "A"}], r"g\.toml: rows\[0\] needs a name and a recipe"),
        ([ROW, ROW], r"g\.toml: rows\[1\]\.name 'PYLON' stands in two rows"),
        ([{**ROW, "metod": "grad_cam"}], r"g\.toml: rows\[0\]\.metod is not a setting\. Did you mean 'method'"),
    ],
)
def test_rows_that_mean_nothing_are_refused(rows, message):
    with pytest.raises(PylonZooError, match=message):
        grid_from_table("g", {"rows": rows})


@pytest.mark.parametrize("name", ["tabel1", "../table1", "grids/table1"])
def test_an_unknown_table_is_refused_with_the_nearest(name):
    with pytest.raises(UnknownNameError, match="table1"):
        load_grid(name)
