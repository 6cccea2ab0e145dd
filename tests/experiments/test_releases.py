"""Which weights can be made, and that the manifest and the grids say all that is needed."""

from __future__ import annotations

import pytest

from pylon_zoo.errors import UnknownNameError
from pylon_zoo.experiments.releases import find_release, list_releases
from pylon_zoo.weights.manifest import load_manifest


def test_everything_that_is_planned_can_be_made_but_for_what_no_recipe_trains() -> None:
    planned = [entry for entry in load_manifest().values() if entry.source == "planned"]
    left = {entry.name for entry in planned} - {release.entry.name for release in list_releases()}
    assert left <= {"pylon_resnet50.nih_cxr14_1layer_512"}
    assert len(planned) - len(left) >= 20


@pytest.mark.parametrize(
    ("name", "weights", "split", "start"),
    [
        ("nih-cxr14", "pylon_resnet50.nih_cxr14", "test", ""),
        ("nih_cxr14_256", "pylon_resnet50.nih_cxr14", "test", ""),
        ("vindr-cxr", "pylon_resnet50.vindr_cxr", "test", ""),
        ("vindr-cxr-transfer", "pylon_resnet50.vindr_cxr_transfer", "test", "nih_cxr14_pylon_resnet50_256"),
        ("voc", "pylon_resnet50.voc2012", "val", ""),
        ("cam_resnet50.vindr-cxr-transfer", "cam_resnet50.vindr_cxr_transfer", "test", "nih_cxr14_cam_resnet50_256"),
    ],
)
def test_a_release_is_what_the_tables_say(name: str, weights: str, split: str, start: str) -> None:
    release = find_release(name)
    assert release.entry.name == weights
    assert (release.grid.split, release.row.start, release.grid.placement) == (split, start, "paper")
    assert release.recipe == release.entry.recipe


def test_what_it_is_called_finds_it() -> None:
    for release in list_releases():
        assert find_release(release.name) == release


@pytest.mark.parametrize("name", ["nih-cxr41", "pylon_resnet18.phantom-cxr", "resnet50.nih-cxr14", ""])
def test_what_cannot_be_made_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="There is no release"):
        find_release(name)
