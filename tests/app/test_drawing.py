from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from prediction_inputs import encoded

from pylon_zoo.app.drawing import MARKS, View, label_of, levels, overlay, scene_of
from pylon_zoo.app.studio import Desk, Studio
from pylon_zoo.explanation.marks import TRUE_COLOR


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return studio.with_levels(studio.brought([studio.from_dataset(1)], ["small", "other"]))


def pixels(desk: Desk, **options: object) -> np.ndarray:
    side, view = desk.sides[0], View(**options)
    return np.asarray(overlay(desk, side, view, scene_of(side, view)), dtype=int)


def test_it_is_the_explanation_s_own_overlay(desk: Desk) -> None:
    side = desk.sides[0]
    expected = side.explanation.overlay("mass", caption=True)
    view = View("mass", marks=("contour", "peak"))
    shown = overlay(desk, side, view, scene_of(side, view), caption=True)
    assert np.array_equal(np.asarray(shown), np.asarray(expected))


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark != "boxes"])
def test_each_mark_changes_the_picture(desk: Desk, mark: str) -> None:
    explanation = desk.sides[0].explanation
    maps = {label: explanation.native_probability_map(label) for label in explanation.labels}
    crossing = next(label for label, values in maps.items() if values.min() < explanation.level(label) < values.max())
    label = "mass" if mark == "true boxes" else crossing
    assert not np.array_equal(pixels(desk, label=label, marks=()), pixels(desk, label=label, marks=(mark,)))


def test_true_boxes_are_blue_where_they_are(desk: Desk) -> None:
    drawn = pixels(desk, label="mass", marks=("true boxes",))
    height, width = drawn.shape[:2]
    edge = drawn[round(16 * height / 48), round(8 * width / 64)]
    assert np.abs(edge - TRUE_COLOR).max() < 60


def test_without_opacity_the_image_is_seen(desk: Desk) -> None:
    drawn = pixels(desk, opacity=0.0, marks=())
    assert (drawn == drawn[..., :1]).all()


@pytest.mark.parametrize("options", [{"colormap": "viridis"}, {"scaling": "image"}, {"label": "effusion"}])
def test_each_choice_changes_the_picture(desk: Desk, options: dict[str, str]) -> None:
    plain = {"label": "mass", "marks": ()}
    assert not np.array_equal(pixels(desk, **plain), pixels(desk, **{**plain, **options}))


def test_a_class_by_name_and_the_most_probable_one_otherwise(desk: Desk) -> None:
    own, other = desk.sides
    assert label_of(own, View("mass")) == "mass"
    assert label_of(other, View("mass")) == "MASS"
    assert label_of(other, View("nodule")) == other.explanation.ranking()[0][0]
    assert label_of(own, View()) == own.explanation.ranking()[0][0]


def test_levels_add_up_at_the_peak(studio: Studio, desk: Desk) -> None:
    side = desk.sides[0]
    drawn = levels(side, View("mass"))
    index = side.explanation.index("mass")
    bias = studio.sources["small"].model.head.bias[index].item()
    assert len(drawn) > 1
    assert sum(level.at_peak for level in drawn) + bias == pytest.approx(
        float(side.explanation.native_heatmaps[index].max()), abs=1e-4
    )
    assert all(isinstance(level.picture, Image.Image) and max(level.picture.size) == 256 for level in drawn)


def test_a_side_without_levels(studio: Studio) -> None:
    content = encoded(3)
    bare = studio.brought(studio.taken([("a.png", content, len(content))]), ["small · grad_cam"])
    assert levels(studio.with_levels(bare).sides[0], View()) == []
