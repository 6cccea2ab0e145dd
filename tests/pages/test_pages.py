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
