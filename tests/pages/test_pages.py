"""What all pages share: one file, everything escaped, nothing left out in silence."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest

import pylon_zoo
from pylon_zoo import pages
from pylon_zoo.pages import render

ROOM = Path(pages.__file__).parent
EMPTY = {
    "explanations.html": {
        "scale": {"title": "", "ticks": [], "colors": []},
        "meaning": "",
        "caution": "",
        "explained": 0,
        "pictured": 0,
        "cards": [],
    },
    "evaluation.html": {
        "headline": [],
        "charts": [],
        "decided": None,
        "decisions": [],
        "numbers": {"note": "", "head": [], "rows": [], "averages": []},
        "classes": [],
    },
}
EMPTY["training.html"] = EMPTY["evaluation.html"] | {"choices": []}
"""Template → what it takes besides `title` and `facts`, as little as there can be."""
HOSTILE = '<script>alert("it\'s")</script> & {{ 7 * 7 }}'
ADDED = {
    "explanations.html": ["base.css", "explanations.js"],
    "evaluation.html": ["base.css", "evaluation.css"],
    "training.html": ["base.css", "evaluation.css", "training.css"],
}
"""Template → the files inside its page."""
PIECES = {
    "notebook/explanation.html": {
        **dict.fromkeys(("path", "label", "picture", "size", "resolution", "thresholds"), HOSTILE),
        "bars": [{"label": HOSTILE, "probability": HOSTILE, "width": "1%", "tick": "50%", "found": True}],
        "more": 1,
        "relevance": True,
    },
    "notebook/model.html": {"facts": {HOSTILE: HOSTILE}},
}
"""Template of a piece in a notebook → what it takes."""


def page(template: str) -> str:
    return render(template, title=HOSTILE, facts={HOSTILE: HOSTILE}, **EMPTY[template])


def test_every_template_and_every_file_is_tried():
    assert {path.name for path in ROOM.glob("*.html")} == {*EMPTY, "base.html"}
    assert {path.name for path in ROOM.iterdir() if path.suffix in (".css", ".js")} == set().union(*ADDED.values())


@pytest.mark.parametrize("template", EMPTY)
def test_a_page_is_one_file_that_escapes_what_it_is_given(template):
    html = page(template)
    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>\n")
    assert not re.search(r"(?:src|href)=|url\(|@import|https?:|<link", html)
    assert "alert(&#34;it&#39;s&#34;)" in html
    assert "<script>alert" not in html
    assert html.count("{{ 7 * 7 }}") == 4  # both titles, and the fact's name and value
    assert f"Made by pylon_zoo {pylon_zoo.__version__}." in html


@pytest.mark.parametrize("template", ADDED)
def test_style_sheets_and_scripts_are_in_it_as_they_are(template):
    html = page(template)
    for name in ADDED[template]:
        assert (ROOM / name).read_text(encoding="utf-8") in html, name


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("base.html", "facts"),
        ("explanations.html", "cards"),
        ("evaluation.html", "charts"),
        ("training.html", "choices"),
    ],
)
def test_a_value_that_is_missing_is_an_error(template, name):
    values = {"title": "", "facts": {}} | EMPTY.get(template, {})
    del values[name]
    with pytest.raises(jinja2.UndefinedError, match=name):
        render(template, **values)


def test_every_piece_is_tried():
    assert {path.relative_to(ROOM).as_posix() for path in ROOM.glob("notebook/*.html")} == set(PIECES)


@pytest.mark.parametrize("template", PIECES)
def test_a_piece_escapes_what_it_is_given_and_runs_nothing(template):
    html = render(template, **PIECES[template])
    assert (ROOM / "notebook" / "notebook.css").read_text(encoding="utf-8") in html
    assert "alert(&#34;it&#39;s&#34;)" in html
    assert "{{ 7 * 7 }}" in html
    assert "<script" not in html
    assert not re.search(r"url\(|@import|https?:|<link|<html", html)


@pytest.mark.parametrize("template", PIECES)
def test_the_styles_of_a_piece_reach_nothing_else(template):
    style = re.search(r"<style>(.*?)</style>", render(template, **PIECES[template]), flags=re.DOTALL)[1]
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", style))
    assert selectors
    assert all(one.strip().startswith("div.pylon-zoo") for each in selectors for one in each.split(","))
