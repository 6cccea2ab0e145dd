"""Figures of maps: everything where our coordinates say, at the size that was asked for."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.explanation.colors import blend, lookup_table
from pylon_zoo.figures.maps import MapRow, draw_maps
from pylon_zoo.figures.saving import content_of

BOX = (10.0, 5.0, 30.0, 15.0)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def row(seen) -> MapRow:
    return MapRow((seen(), seen((3, 5))), ("crack", "crack"), "a crack", torch.tensor([BOX]))


def panel(figure, name: str):
    return next(axes for axes in figure.axes if axes.get_gid() == name)


def artist(figure, name: str):
    (found,) = figure.findobj(lambda one: one.get_gid() == name)
    return found


def test_rows_and_columns_are_labelled(row):
    figure = draw_maps([row, row], ["PYLON", "Grad-CAM"])
    said = [text.get_text() for text in figure.texts]
    assert [one for one in said if one in ("Image", "PYLON", "Grad-CAM")] == ["Image", "PYLON", "Grad-CAM"]
    assert said.count("a crack") == 2
    names = [axes.get_gid() for axes in figure.axes]
    assert names == [f"panel-{line}-{place}" for line in range(2) for place in range(3)] + ["colour-bar"]


@pytest.mark.parametrize(("width", "dpi"), [(3.5, 300), (7.16, 300), (3.5, 200), (5.0, 600)])
def test_the_width_is_the_width(row, width: float, dpi: int):
    figure = draw_maps([row], ["A", "B"], width=width, dpi=dpi)
    across, down = figure.get_size_inches()
    assert across == width
    assert down * 72 == pytest.approx(round(down * 72), abs=1e-9)
    svg = ElementTree.fromstring(content_of(figure, "svg", dpi))
    assert [float(svg.get(side).removesuffix("pt")) for side in ("width", "height")] == pytest.approx(
        [72 * across, 72 * down]
    )
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content_of(figure, "pdf", dpi))
    assert [float(side) for side in box.groups()] == pytest.approx([72 * across, 72 * down], abs=1e-3)


def test_marks_lie_at_their_pixels(row):
    figure = draw_maps([row], ["A", "B"])
    for place in range(3):
        rectangle = artist(figure, f"panel-0-{place}-box-0")
        x, y = rectangle.get_xy()
        assert (x, y, x + rectangle.get_width(), y + rectangle.get_height()) == BOX
        assert (panel(figure, f"panel-0-{place}").get_xlim(), panel(figure, f"panel-0-{place}").get_ylim()) == (
            (0, 60),
            (40, 0),
        )
    for place, explanation in enumerate(row.explanations):
        peak = explanation.finding("crack").peak
        cross = artist(figure, f"panel-0-{place + 1}-peak")
        assert cross.get_xydata().tolist() == [[peak.x + 0.5, peak.y + 0.5]]
    assert row.explanations[0].finding("crack").peak != row.explanations[1].finding("crack").peak


def test_a_box_in_the_svg_is_where_it_is_on_the_page(row):
    figure = draw_maps([row], ["A", "B"])
    svg = ElementTree.fromstring(content_of(figure, "svg"))
    across, down = 72 * figure.get_size_inches()
    for place in range(3):
        name = f"panel-0-{place}"
        corner = panel(figure, name).get_position()
        left, top = corner.x0 * across, (1 - corner.y1) * down
        per_pixel = (corner.width * across / 60, corner.height * down / 40)
        group = next(one for one in svg.iter(f"{SVG}g") if one.get("id") == f"{name}-box-0")
        numbers = [float(one) for one in re.findall(r"-?[\d.]+", group.find(f"{SVG}path").get("d"))]
        drawn = [min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])]
        expected = [start + edge * step for edge, start, step in zip(BOX, (left, top) * 2, per_pixel * 2, strict=True)]
        assert drawn == pytest.approx(expected, abs=1e-3)


def test_a_cross_in_the_svg_is_on_the_middle_of_its_pixel(row):
    figure = draw_maps([row], ["A", "B"])
    svg = ElementTree.fromstring(content_of(figure, "svg"))
    across, down = 72 * figure.get_size_inches()
    corner = panel(figure, "panel-0-1").get_position()
    peak = row.explanations[0].finding("crack").peak
    group = next(one for one in svg.iter(f"{SVG}g") if one.get("id") == "panel-0-1-peak")
    paths = group.findall(f"{SVG}path")
    assert len(paths) == 2  # the rim, and the line
    for path in paths:
        numbers = [float(one) for one in re.findall(r"-?[\d.]+", path.get("d"))]
        middle = [(min(axis) + max(axis)) / 2 for axis in (numbers[::2], numbers[1::2])]
        x = corner.x0 + corner.width * (peak.x + 0.5) / 60
        y = 1 - corner.y1 + corner.height * (peak.y + 0.5) / 40
        assert middle == pytest.approx([x * across, y * down], abs=1e-3)


def test_pictures_are_the_blend_of_the_explanation_pixel_for_pixel(row):
    figure = draw_maps([row], ["A", "B"], dpi=200)
    (image,) = panel(figure, "panel-0-1").get_images()
    picture = np.asarray(image.get_array())
    position = panel(figure, "panel-0-1").get_position()
    pixels = [position.width * 3.5 * 200, position.height * figure.get_size_inches()[1] * 200]
    assert pixels == pytest.approx([picture.shape[1], picture.shape[0]], abs=1e-6)
    values = row.explanations[0].probability_map("crack", picture.shape[:2]).numpy()
    expected = np.rint(blend(np.full(values.shape, 128.0), values, lookup_table()))
    assert np.abs(picture - expected).max() == 0


def test_a_mask_is_outlined_instead_of_boxed(seen):
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[0:10, 20:30] = True  # at the image's edge
    figure = draw_maps([MapRow((seen(),), ("dent",), "dent", torch.tensor([BOX]), mask)], ["A"])
    (path,) = artist(figure, "panel-0-0-mask").get_paths()
    low, high = path.vertices.min(0), path.vertices.max(0)
    assert (low.tolist(), high.tolist()) == ([20, 0], [30, 10])
    assert not figure.findobj(lambda one: (one.get_gid() or "").endswith("box-0"))
    assert figure.legends[0].get_texts()[0].get_text() == "true outline"


@pytest.mark.parametrize(
    ("units", "scaling", "says"),
    [
        (("logit",), "absolute", "Probability"),
        (("relevance",), "absolute", "Share of the map’s maximum"),
        (("logit", "relevance"), "absolute", "Probability; of attribution methods, share of the map’s maximum"),
        (("logit",), "image", "From each map’s minimum to its maximum"),
    ],
)
def test_the_one_colour_bar_says_what_colours_mean(seen, units, scaling: str, says: str):
    maps = tuple(seen(unit=unit, scaling=scaling) for unit in units)
    figure = draw_maps([MapRow(maps, ("crack",) * len(maps), "crack")], ["A", "B"][: len(maps)])
    said = [text.get_text() for text in figure.texts]
    assert says in [one.replace("\n", " ") for one in said]
    assert {"min", "max"} <= set(said) if scaling == "image" else {"0", "0.5", "1"} <= set(said)
    assert sum(axes.get_gid() == "colour-bar" for axes in figure.axes) == 1


@pytest.mark.parametrize(
    ("box", "corner"),
    [((30.0, 0, 60, 10), (0, 0)), ((0.0, 30, 20, 40), (1, 0)), ((0.0, 30, 60, 40), (0, 1)), ((0.0, 0, 60, 40), None)],
)
def test_probabilities_hide_no_mark(seen, box, corner):
    row = MapRow((seen((1, 3)),), ("crack",), "crack", torch.tensor([box]))
    (number,) = panel(draw_maps([row], ["A"]), "panel-0-1").texts
    assert number.get_text() == "88.1%"
    if corner is not None:
        assert number.xy == corner


def test_images_of_any_shape_keep_it(seen):
    rows = [MapRow((seen(size=size),), ("crack",), "crack") for size in ((40, 60), (60, 40))]
    figure = draw_maps(rows, ["A"], bare=False)
    across, down = figure.get_size_inches()
    for number, shape in ((0, 40 / 60), (1, 60 / 40)):
        corner = panel(figure, f"panel-{number}-0").get_position()
        assert corner.height * down / (corner.width * across) == pytest.approx(shape, rel=2e-3)


def test_what_cannot_be_drawn_is_said(row, seen):
    for rows, titles in (([], ["A"]), ([row], []), ([row], ["A"])):
        with pytest.raises(ConfigError, match="in every row one map for each of its columns"):
            draw_maps(rows, titles)
    many = MapRow((seen(),) * 12, ("crack",) * 12, "crack")
    with pytest.raises(ConfigError, match=r"13 columns in 3.5 inches leave 0.22 for each; give fewer"):
        draw_maps([many], ["A"] * 12)
    with pytest.raises(ConfigError, match=r"cannot be 0\.5 inches wide"):
        draw_maps([row], ["A", "B"], width=0.5)
