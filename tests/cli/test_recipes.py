"""`pylon-zoo recipes`."""

from __future__ import annotations

import pytest

from pylon_zoo.cli.main import main
from pylon_zoo.training.recipe_files import list_recipes, load_recipe


def listed(capsys) -> tuple[list[str], list[str]]:
    """Headings and the lines below them, of what was printed."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    return [line for line in lines if line[0] != " "], [line for line in lines if line[0] == " "]


def test_list_names_and_describes_every_recipe(capsys):
    assert main(["recipes", "list"]) == 0
    headings, lines = listed(capsys)
    assert sorted(line.split()[0] for line in lines) == list_recipes()
    assert all(len(line.split()) > 3 for line in lines)
    assert len(headings) == len(set(headings)) > 3
    assert {"nih_cxr14, 256 px", "nih_cxr14, 512 px", "phantom, 128 px"} < set(headings)


def test_list_takes_a_pattern(capsys):
    assert main(["recipes", "list", "phantom-cxr-*"]) == 0
    headings, lines = listed(capsys)
    assert headings == ["phantom, 192 px"]
    assert [line.split()[0] for line in lines] == ["phantom_cxr_cam", "phantom_cxr_pointing", "phantom_cxr_pylon"]


def test_show_prints_a_recipe_that_reads_back(capsys, tmp_path):
    assert main(["recipes", "show", "phantom-cxr-cam", "--set", "loop.seed=9"]) == 0
    path = tmp_path / "shown.toml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_recipe(path) == load_recipe("phantom_cxr_cam", ["loop.seed=9"])


def test_settings_prints_the_table(capsys):
    assert main(["recipes", "settings"]) == 0
    assert "| `optimizer.lr` | `0.0001` | a number, above 0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "phantom_cxr_cma"], "'phantom_cxr_cam'"),
        (["list", "zzz"], "'zzz'"),
        (["shwo"], "shwo"),
        ([], "ACTION"),
    ],
)
def test_mistakes_are_usage_errors(capsys, arguments, message):
    assert main(["recipes", *arguments]) == 2
    assert message in capsys.readouterr().err
