"""Small targets of where peaks lie."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from pylon_zoo.evaluation.targets import DOT, DOTS, targets


def dots(picture: str) -> list[tuple[float, float]]:
    found = re.findall(r'class="aim" cx="([^"]+)" cy="([^"]+)"', picture)
    return [(float(x), float(y)) for x, y in found]


def test_dots_lie_where_peaks_do():
    ((x, y), *_) = dots(targets([("Mass", [(5.0, -10.0)] * 9 + [(1000.0, 0.0)])]))
    # 11.2 px fit on a target of 20; its centre is at (64, 98)
    radius = 64 - DOT
    assert (x, y) == (pytest.approx(64 - radius / 2, abs=0.05), pytest.approx(98 + radius / 4, abs=0.05))
    *_, farthest = dots(targets([("Mass", [(5.0, -10.0)] * 9 + [(1000.0, 0.0)])]))
    assert farthest == (64, pytest.approx(98 + radius))


def test_nothing_is_cut_off_at_the_edges():
    picture = ElementTree.fromstring(targets([("Mass", [(9.0, 0.0), (0.0, 9.0), (0.0, -9.0), (-9.0, 0.0)])] * 5))
    _, _, width, height = map(float, picture.get("viewBox").split())
    for circle in picture.iter("circle"):
        x, y, radius = (float(circle.get(name)) for name in ("cx", "cy", "r"))
        assert radius <= x <= width - radius
        assert radius <= y <= height - radius


def test_it_is_xml_and_names_are_escaped():
    picture = targets([(f"A <{place}>", [(0.0, 0.0)]) for place in range(9)])
    tree = ElementTree.fromstring(picture)
    assert len(tree.findall(".//circle[@class='aim']")) == 9
    assert "A &lt;8&gt;" in picture
    assert "arrow" not in picture


def test_of_many_images_some_are_drawn():
    assert len(dots(targets([("Mass", [(1.0, 1.0)] * (DOTS * 3 + 1))]))) <= DOTS


def test_the_arrow_points_the_way():
    assert "rotate(90.0)" in targets([("Mass", [(8.0, 0.0)])])
    assert "8.0 down, 0.0 right" in targets([("Mass", [(8.0, 0.0)])])
