"""Every kind and method has its line in the tables, and text fits where it stands."""

from __future__ import annotations

import pytest

from pylon_zoo.attribution.registry import ATTRIBUTIONS
from pylon_zoo.figures.drawing import DRAWERS
from pylon_zoo.figures.kinds import MAPS, SUMMARIES
from pylon_zoo.figures.names import TITLES
from pylon_zoo.figures.style import DASHES, PALETTE, SMALLEST, line_style
from pylon_zoo.figures.text import fitted, width_of
from pylon_zoo.models.methods import METHODS


def test_every_kind_has_what_draws_it():
    assert list(SUMMARIES) == [MAPS, *DRAWERS]
    assert all(callable(DRAWERS[kind]) for kind in DRAWERS)


def test_every_method_has_a_title():
    assert set(TITLES) == {*METHODS, *ATTRIBUTIONS}


@pytest.mark.parametrize("text", ["PYLON", "PYLON, pylon_tf_efficientnet_lite0.deeppcb_tiles", "x" * 80, "", "气胸"])
@pytest.mark.parametrize("room", [0.4, 1.0, 3.0])
@pytest.mark.filterwarnings("error")
def test_text_fits(text: str, room: float):
    shown, size = fitted(text, room)
    assert all(width_of(line, size) <= room for line in shown.split("\n"))
    assert size >= SMALLEST
    assert shown.count("\n") <= 1
    if "…" not in shown:
        assert shown.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_neighbouring_lines_differ_in_colour_and_dashes():
    styles = [line_style(place) for place in range(len(PALETTE) * len(DASHES))]
    assert len({str(style) for style in styles}) == len(styles)
