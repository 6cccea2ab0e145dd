"""What a release's runs are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pylon_zoo.experiments.supply import supply_of
from pylon_zoo.training.recipe_files import load_recipe

NIH = "nih_cxr14_pylon_resnet50_256"


def test_large_images_are_copied_small(tmp_path: Path) -> None:
    supply = supply_of(load_recipe(NIH), [f"nih-cxr14:{tmp_path}"], Path("runs"))
    assert (supply.needs, supply.side) == ("", 320)
    assert supply.used == "nih-cxr14:runs/prepared/nih_cxr14-320"
    assert supply.preparing()[:3] == ["data", "prepare", f"nih-cxr14:{tmp_path}"]


def test_another_size_has_another_copy(tmp_path: Path) -> None:
    supply = supply_of(load_recipe("nih_cxr14_pylon_resnet50_512"), [f"nih-cxr14:{tmp_path}"], Path("runs"))
    assert supply.used == "nih-cxr14:runs/prepared/nih_cxr14-576"


def test_what_was_prepared_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "prepared.json").touch()
    supply = supply_of(load_recipe(NIH), [f"nih-cxr14:{tmp_path}"], Path("runs"))
    assert (supply.used, supply.preparing()) == (f"nih-cxr14:{tmp_path}", [])


def test_photographs_are_small_enough(tmp_path: Path) -> None:
    supply = supply_of(load_recipe("pascal_voc_pylon_resnet50_256"), [f"voc:{tmp_path}"], Path("runs"))
    assert (supply.used, supply.copy) == (f"voc:{tmp_path}", None)


def test_radiographs_of_vindr_become_what_the_paper_made_of_them(tmp_path: Path) -> None:
    supply = supply_of(load_recipe("vindr_cxr_pylon_resnet50_256"), [f"vindr-cxr:{tmp_path}"], Path("runs"))
    assert supply.preparing()[-2:] == ["--dicom", "paper"]


def test_what_is_drawn_needs_nothing() -> None:
    supply = supply_of(load_recipe("phantom_pylon"), [], Path("runs"))
    assert (supply.used, supply.copy, supply.needs) == ("phantom", None, "")


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ([], "--data nih-cxr14:DIR (pylon-zoo data download nih-cxr14 DIR)"),
        (["vindr-cxr:/x"], "--data nih-cxr14:DIR (pylon-zoo data download nih-cxr14 DIR)"),
        (["nih-cxr14:/no/such"], "the folder /no/such, which is not there (pylon-zoo data download nih-cxr14 DIR)"),
    ],
)
def test_it_says_what_is_missing(given: list[str], needs: str) -> None:
    assert supply_of(load_recipe(NIH), given, Path("runs")).needs.replace("\\", "/") == needs
