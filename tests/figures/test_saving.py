"""Files of figures: text is text, fonts are inside, and the same figure is the same bytes on any day."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from pylon_zoo.errors import ConfigError
from pylon_zoo.figures.maps import MapRow, draw_maps
from pylon_zoo.figures.saving import FORMATS, content_of, formats_of, save
from pylon_zoo.figures.style import LOOK, blank, look

TEXTS = {"Image", "PYLON", "Grad-CAM $5_a$", "88.1%", "true box", "peak of the map", "Probability", "0.5"}


@pytest.fixture
def figure(seen):
    import torch

    row = MapRow((seen(), seen((3, 5))), ("crack", "crack"), "crack", torch.tensor([[1.0, 2, 9, 9]]))
    return draw_maps([row], ["PYLON", "Grad-CAM $5_a$"])


def test_text_in_svg_is_text(figure):
    svg = ElementTree.fromstring(content_of(figure, "svg"))
    texts = {"".join(one.itertext()) for one in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= TEXTS
    fonts = {one.get("style") for one in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert all("DejaVu Sans" in style for style in fonts)


def test_pdf_holds_its_fonts_as_truetype(figure):
    content = content_of(figure, "pdf")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_png_has_its_pixels(figure):
    picture = Image.open(io.BytesIO(content_of(figure, "png", 200)))
    assert picture.size == (700, round(200 * figure.get_size_inches()[1]))
    assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_letters_that_the_font_lacks_are_named(seen):
    figure = draw_maps([MapRow((seen(),), ("crack",), "crack")], ["气胸"])
    assert "气胸" in content_of(figure, "svg").decode()
    for kind in ("pdf", "png"):
        with pytest.raises(ConfigError, match=rf"The font of figures has no '气', which \.{kind} needs"):
            content_of(figure, kind)


CODE = """
import sys, torch
from pylon_zoo.figures.style import blank, look
from pylon_zoo.figures.saving import save
with look():
    figure = blank(3.5, 1)
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4], gid="line")
    axes.scatter([1, 2], [3, 4])
save(figure, sys.argv[1])
"""


@pytest.mark.slow
def test_files_are_the_same_on_any_day_in_any_process(tmp_path: Path):
    found = []
    for number, epoch in enumerate(("0", "1700000000")):
        settings = tmp_path / f"settings{number}"
        settings.mkdir()
        (settings / "matplotlibrc").write_text(f"font.size: {20 + number}\nsvg.fonttype: path\n", encoding="utf-8")
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "MPLCONFIGDIR": str(settings)}
        out = tmp_path / str(number) / "figure"
        subprocess.run([sys.executable, "-c", CODE, str(out)], check=True, env=environment)
        found.append([out.with_suffix(f".{kind}").read_bytes() for kind in FORMATS])
    assert found[0] == found[1]


def test_saving_twice_gives_the_same(figure):
    for kind in FORMATS:
        assert content_of(figure, kind) == content_of(figure, kind)


def test_matplotlib_is_left_as_it_was():
    before = matplotlib.rcParams["font.size"]
    with look():
        assert matplotlib.rcParams["svg.fonttype"] == LOOK["svg.fonttype"] == "none"
    assert matplotlib.rcParams["font.size"] == before


def test_one_format_or_all(tmp_path: Path):
    written = save(blank(2, 1), tmp_path / "new" / "one.PDF")
    assert [path.name for path in written] == ["one.pdf"]
    assert [path.name for path in save(blank(2, 1), tmp_path / "all")] == ["all.pdf", "all.svg", "all.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.pdf", "all.png", "all.svg", "new"]
    with pytest.raises(ConfigError, match=r"--out a\.jpg ends in \.jpg: a figure is \.pdf, \.svg, \.png;"):
        formats_of("a.jpg")
