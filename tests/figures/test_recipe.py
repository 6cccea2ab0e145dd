"""Recipes of figures: read back as they were, with paths that are seen from the file; mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.figures.recipe import (
    ColumnSection,
    CurvesRecipe,
    DataSection,
    MapsRecipe,
    RowSection,
    SourceSection,
    read_recipe,
    recipe_text,
)


def test_paths_are_seen_from_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    absolute = str(tmp_path.resolve() / "elsewhere")
    recipe = MapsRecipe(
        "maps",
        width=7.16,
        data=DataSection("coco:data/tiles", "val", {"channels": 3}),
        rows=(RowSection(index=3, label="crack", name=""), RowSection(image="a b.png")),
        columns=(ColumnSection(model="pylon_resnet18.phantom_cxr"), ColumnSection(checkpoint=absolute, layers=("a",))),
    )
    folder = tmp_path / "paper" / "figures"
    folder.mkdir(parents=True)
    text = recipe_text(recipe, folder, "one.toml")
    assert 'name = "coco:../../data/tiles"' in text
    assert 'image = "../../a b.png"' in text
    assert f"checkpoint = {json.dumps(absolute)}" in text
    (folder / "one.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder.parent)
    found = read_recipe("figures/one.toml")
    assert Path(found.rows[1].image).resolve() == (tmp_path / "a b.png").resolve()
    assert Path(found.data.name.partition(":")[2]).resolve() == (tmp_path / "data/tiles").resolve()
    assert found.columns == recipe.columns
    assert (found.rows[0], found.width, found.data.options) == (recipe.rows[0], 7.16, {"channels": 3})
    assert recipe_text(found, Path("figures"), "one.toml") == text


def test_curves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = CurvesRecipe("roc", classes=("a",), sources=(SourceSection("one", "first"), SourceSection("~/two")))
    Path("new").mkdir()
    Path("new/r.toml").write_text(recipe_text(recipe, Path("new"), "r.toml"), encoding="utf-8")
    assert 'folder = "~/two"' in Path("new/r.toml").read_text(encoding="utf-8")
    found = read_recipe("new/r.toml")
    assert [Path(one.folder) for one in found.sources] == [Path("one"), Path("~/two").expanduser()]
    assert found.classes == ("a",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "rocc"', r"kind = 'rocc' is no kind of figure: maps, .*Did you mean 'roc'"),
        ("width = 3", "kind = None is no kind of figure"),
        (
            'kind = "maps"\n[[rows]]\nimage = "a.png"\n[[rows]]\nlable = "crack"',
            r"rows\[2\].lable is not a setting. Did you",
        ),
        ('kind = "maps"\nscaling = "abs"', "scaling = 'abs' is not possible"),
        ('kind = "roc"\nsources = "one"', "sources must be a list of at least one table"),
        ('kind = "roc"\nformats = ["jpg"]', "formats = 'jpg' is not possible."),
        ('kind = "maps"\n[data]\nname = "coco"', "The dataset 'coco' needs its folder"),
        ("kind = ", "is not a TOML file: .*Give the recipe that was saved beside a figure"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        read_recipe(path)


def test_a_recipe_that_is_not_there():
    with pytest.raises(ConfigError, match=r"The recipe gone\.toml cannot be read: No such file"):
        read_recipe("gone.toml")
