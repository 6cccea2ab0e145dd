"""The table of settings, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import list_recipes, load_recipe
from pylon_zoo.training.schedule import SCHEDULES
from pylon_zoo.training.sections import plain, settings_of
from pylon_zoo.training.settings import all_settings, meanings, settings_table

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_every_setting_is_there_once_with_its_meaning():
    keys = [one.key for one in all_settings()]
    assert len(keys) == len(set(keys))
    sections = {key: value for key, value in plain(Recipe()).items() if isinstance(value, dict)}
    assert {f"{name}.{key}" for name, section in sections.items() for key in section} <= set(keys)
    for schedule in SCHEDULES.values():
        assert {f"schedule.options.{one.name}" for one in settings_of(schedule)} <= set(keys)
    assert all(one.meaning and one.values for one in all_settings())


@pytest.mark.parametrize("one", [one for one in all_settings() if one.default], ids=lambda one: one.key)
def test_the_defaults_are_what_a_recipe_without_them_has(one):
    if one.key == "description" or one.key.startswith("schedule.options"):
        return
    section, name = one.key.split(".")
    recipe = load_recipe("phantom_cxr_pylon", [f"{one.key}={one.default}", "schedule.name=plateau"])
    assert getattr(getattr(recipe, section), name) == getattr(getattr(Recipe(), section), name)


def test_meanings_follow_the_docstring():
    class Example:
        """An example.

        Args:
            one, two: words that go on
                in a second line: here.
            three: more.

        Example:
            >>> four: no
        """

    assert meanings(Example) == dict.fromkeys(("one", "two"), "words that go on in a second line: here.") | {
        "three": "more."
    }
    assert meanings(int) == {}


def test_the_page_shows_the_table():
    block = re.search(r"<!-- begin: pylon-zoo recipes settings -->\n\n(.*?)\n\n<!-- end -->", PAGE, flags=re.DOTALL)
    assert block is not None
    assert block[1] == settings_table()
    assert len(PAGE.splitlines()) < 150


def expand(name: str) -> Iterator[str]:
    """`"a_{b,c}"` as `"a_b"` and `"a_c"`."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    yield from map("".join, product(*parts))


def test_the_page_lists_every_recipe_and_no_other():
    families = {name.split("_")[0] for name in list_recipes()}
    spans = re.findall(r"`([a-z]\w*_[\w{},]+)`", PAGE)
    named = {name for span in spans if span.split("_")[0] in families for name in expand(span)}
    assert named == set(list_recipes())


def test_the_example_on_the_page_loads(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(example, encoding="utf-8")
    recipe = load_recipe(path)
    assert (recipe.model.options["up_layers"], recipe.schedule.max_epochs) == (1, 80)
