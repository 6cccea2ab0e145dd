from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prediction_inputs import encoded

from pylon_zoo.app.limits import Limits
from pylon_zoo.app.studio import Desk, Picture, Studio, same_class, true_boxes
from pylon_zoo.errors import DataError
from pylon_zoo.models.contract import HeatmapClassifier

FILES = [("1.png", encoded(1)), ("broken.png", b"a letter"), ("2.png", encoded(2))]


def given(*files: tuple[str, bytes]) -> list[tuple[str, bytes | None, int]]:
    return [(name, content, len(content)) for name, content in files]


def test_the_first_that_can_be_shown_is_shown(studio: Studio) -> None:
    desk = studio.brought(studio.taken(given(FILES[1], FILES[0])), ["small"])
    assert desk.at == 1
    assert [side.source for side in desk.sides] == ["small"]
    assert "'broken.png' is not an image that can be read" in desk.pictures[0].problem


def test_where_none_can_be_shown_the_first_says_why(studio: Studio) -> None:
    desk = studio.brought(studio.taken(given(FILES[1], ("empty.png", b""))), ["small"])
    assert desk.at == 0
    assert desk.sides == ()
    assert "'broken.png'" in desk.problem


def test_another_picture_and_two_sources(studio: Studio) -> None:
    desk = studio.brought(studio.taken(given(*FILES)), ["small"])
    desk = studio.looked_at(desk, ["small", "small · grad_cam"], at=2)
    assert [side.explanation.path for side in desk.sides] == ["2.png", "2.png"]
    assert desk.sides[0].explanation.probabilities.equal(desk.sides[1].explanation.probabilities)
    assert [side.explanation.unit for side in desk.sides] == ["logit", "relevance"]


def test_a_source_beside_itself_is_shown_once(studio: Studio) -> None:
    assert len(studio.brought(studio.taken(given(FILES[0])), ["small", "small"]).sides) == 1


def test_a_broken_picture_leaves_nothing_of_the_one_before(studio: Studio) -> None:
    desk = studio.looked_at(studio.brought([studio.from_dataset(0)], ["small"]), ["small"])
    desk = studio.looked_at(replace(desk, pictures=studio.taken(given(FILES[1]))), ["small"])
    assert (desk.sides, desk.boxes, desk.known) == ((), {}, False)


def test_a_desk_is_left_as_it_was(studio: Studio) -> None:
    desk = studio.brought(studio.taken(given(*FILES)), ["small"])
    before = (desk.at, desk.sides)
    studio.looked_at(desk, ["other"], at=2)
    assert (desk.at, desk.sides) == before


def test_too_many_files_and_bytes(model: HeatmapClassifier) -> None:
    strict = Studio({"m": model}, limits=Limits(file_bytes=5000, total_bytes=4000, files=2))
    small = given(FILES[0], FILES[2], FILES[0])
    assert len(strict.taken(small)) == 2
    assert "at most 0.004 MB are taken at a time" in strict.taken(small)[1].problem
    assert "and at most 0.005 MB are taken" in strict.taken([("huge.png", None, 9000)])[0].problem
    assert "'lost.png' did not arrive" in strict.taken([("lost.png", None, 10)])[0].problem


def test_true_boxes_by_the_name_of_the_class(studio: Studio) -> None:
    desk = studio.brought([studio.from_dataset(1)], ["small"])
    assert desk.known
    assert true_boxes(desk, "mass") == [(8.0, 10.0, 24.0, 22.0)]
    assert true_boxes(desk, "nodule") == []


def test_places_beyond_the_dataset_are_its_ends(studio: Studio) -> None:
    assert studio.from_dataset(99).place == 2
    assert studio.from_dataset(-5).place == 0


def test_without_a_dataset_there_is_nothing_to_open(model: HeatmapClassifier) -> None:
    with pytest.raises(DataError, match="--data NAME:DIR"):
        Studio({"m": model}).from_dataset(0)


def test_classes_of_another_model_by_name(studio: Studio) -> None:
    desk = studio.brought(studio.taken(given(FILES[0])), ["other"])
    assert same_class(desk.sides[0].explanation, "mass") == "MASS"
    assert same_class(desk.sides[0].explanation, "nodule") is None


def test_levels_of_what_has_them(studio: Studio) -> None:
    desk = studio.with_levels(studio.brought(studio.taken(given(FILES[0])), ["small", "small · grad_cam"]))
    own, method = desk.sides
    assert method.levels is None
    assert own.levels is not None
    bias = studio.sources["small"].model.head.bias[:, None, None]
    assert torch.allclose(sum(own.levels) + bias, own.explanation.native_heatmaps, atol=1e-5)
    assert studio.with_levels(desk).sides[0] is own


def test_problems_of_all_pictures(studio: Studio) -> None:
    desk = Desk(studio.taken(given(*FILES)))
    assert list(studio.problems(desk)) == [1]
    assert list(studio.problems(Desk((Picture("known.png", problem="It is known."),)))) == [0]
