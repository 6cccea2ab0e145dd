"""Small targets of where peaks lie."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from pylon_zoo.evaluation.targets import DOTS, targets


def dots(picture: str) -> list[tuple[float, float]]:
    found = re.findall(r'class="aim" cx="([^"]+)" cy="([^"]+)"', picture)
    return [(float(x), float(y)) for x, y in found]


def test_dots_lie_where_peaks_do():
    ((x, y), *_) = dots(targets([("Mass", [(5.0, -10.0)] * 9 + [(1000.0, 0.0)])]))
    # 11.2 px fit on a target of 20; its radius is 64 and its centre at (64, 98)
    assert (x, y) == (pytest.approx(64 - 64 / 2), pytest.approx(98 + 64 / 4))
    assert dots(targets([("Mass", [(5.0, -10.0)] * 9 + [(1000.0, 0.0)])]))[-1] == (64, 98 + 64)


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
