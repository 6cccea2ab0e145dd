"""`pylon-zoo recipes`."""

from __future__ import annotations

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.training.recipe_files import list_recipes, load_recipe


def test_list_names_and_describes_every_recipe(capsys):
    assert main(["recipes", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_recipes()
    assert all(len(line.split()) > 3 for line in lines)


def test_show_prints_a_recipe_that_reads_back(capsys, tmp_path):
    assert main(["recipes", "show", "phantom-cxr-cam", "--set", "loop.seed=9"]) == 0
    path = tmp_path / "shown.toml"
    path.write_text(capsys.readouterr().out)
    assert load_recipe(path) == load_recipe("phantom_cxr_cam", ["loop.seed=9"])


@pytest.mark.parametrize(
    ("arguments", "message"), [(["show", "phantom_cxr_cma"], "'phantom_cxr_cam'"), (["shwo"], "shwo"), ([], "ACTION")]
)
def test_mistakes_are_usage_errors(capsys, arguments, message):
    assert main(["recipes", *arguments]) == 2
    assert message in capsys.readouterr().err
