from __future__ import annotations

import pytest
import torch

from pylon_zoo.app import markup
from pylon_zoo.app.drawing import View
from pylon_zoo.app.limits import Limits
from pylon_zoo.app.studio import Desk, Picture, Studio
from pylon_zoo.models.build import build_model

EVIL = '<script>alert("1")</script>'


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return studio.brought([studio.from_dataset(0)], ["small", "other"])


def test_bars_are_sorted_and_have_thresholds(desk: Desk) -> None:
    html = markup.bars(desk, View("mass"))
    places = [html.index(f'data-label="{label}"') for label, _ in desk.sides[0].explanation.ranking()]
    assert places == sorted(places)
    assert html.count('<i style="left:50.0%"></i>') == 4  # three of the first model, MASS of the other
    assert 'data-label="mass" aria-selected="true"' in html


def test_a_method_on_the_same_model_has_no_bars_of_its_own(studio: Studio) -> None:
    desk = studio.brought([studio.from_dataset(0)], ["small", "small · grad_cam"])
    assert "pz-second" not in markup.bars(desk, View())


def test_a_class_that_the_other_model_lacks_is_said(desk: Desk) -> None:
    assert "It has no class &#39;nodule&#39;" in markup.panels(desk, View("nodule"))
    assert "It has no class" not in markup.panels(desk, View("mass"))


def test_a_picture_says_what_it_shows(desk: Desk) -> None:
    peak = desk.sides[0].explanation.finding("mass").peak
    assert f'alt="Map of mass over boxed, test 1, highest at ({peak.x}, {peak.y})"' in markup.panels(desk, View("mass"))


def test_an_empty_desk_says_what_to_do() -> None:
    assert markup.HINT in markup.panels(Desk(), View())
    assert markup.bars(Desk(), View()).strip() == ""
    assert markup.strip(Desk(), {}, {}).strip() == ""


def test_names_are_escaped(studio: Studio) -> None:
    torch.manual_seed(0)
    marked = Studio({EVIL: build_model("pylon_test_resnet", 2, in_chans=1, label_names=(EVIL, "b"))}, studio.dataset)
    desk = marked.brought([marked.from_dataset(0)], [EVIL])
    broken = Desk((Picture(EVIL, problem=EVIL), Picture("b")))
    for html in (
        markup.bars(desk, View(EVIL)),
        markup.panels(desk, View(EVIL)),
        markup.strip(broken, {}, {}, EVIL),
        markup.panels(broken, View()),
    ):
        assert "<script" not in html
        assert "&lt;script" in html


def test_the_limits_are_told() -> None:
    html = markup.drop_zone(Limits(file_bytes=7_000_000, pixels=3_000_000, files=4))
    assert "up to 4 at a time, 7 MB and 3 million pixels each" in html
    assert ".dcm" in html
