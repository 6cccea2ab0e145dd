from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import torch

from pylon_zoo.explanation import report as module
from pylon_zoo.explanation.explainer import Explainer, check_finite
from pylon_zoo.explanation.report import Report

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Fails on tags that do not nest; keeps what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]
        assert tag != "link"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


@pytest.fixture
def add(fixed_model):
    """Puts an image with two labels into a report, one of them as a finding."""

    def put(
        report: Report, path: str = "a/b.png", label: str = "Nodule", unit: str = "logit", **options: object
    ) -> None:
        model = fixed_model(torch.tensor([[[2.0, -3.0]], [[-3.0, -3.0]]]), (label, "Mass"))
        model.heatmap_unit = unit
        explainer = Explainer(model, **options)
        explanation = check_finite(explainer.run([explainer.load(torch.zeros(1, 30, 20), path)])[0])
        finding = {"label": label, "probability": 0.880797, "peak": {"x": 1, "y": 2}, "overlay": "overlays/x.png"}
        entry = {"path": path, "width": 20, "height": 30, "error": None, "findings": [finding]}
        report.add(entry, explanation, [explanation.overlay(label, caption=False)])

    return put


def test_it_is_one_file_that_fetches_nothing(add) -> None:
    report = Report("pylon_resnet18.phantom_cxr")
    add(report)
    html = report.html()
    assert all(source.startswith("data:image/jpeg;base64,") for source in check(html).sources)
    assert len(check(html).sources) == 2
    assert not re.search(r"https?:|@import|url\(", html)


def test_it_says_what_was_found(add) -> None:
    report = Report("pylon_resnet18.phantom_cxr")
    add(report)
    text = check(report.html()).text
    for expected in (
        "pylon_resnet18.phantom_cxr",
        "b.png",
        "20 × 30 px",
        "Nodule",
        "88.1%",
        "(1, 2)",
        "2x1",
        "sigmoid",
    ):
        assert expected in text
    assert "Mass" in text
    assert "Not a medical device" in text


def test_names_are_escaped(add) -> None:
    report = Report("<model>&")
    add(report, path='<script>alert("1")</script>/<b>.png', label="<i>Nodule</i>")
    report.add_error(
        {"path": "<u>.png", "width": None, "height": None, "error": "'<u>.png' is & empty", "findings": []}
    )
    html = report.html()
    text = check(html).text
    assert "<model>&" in text
    assert "<i>Nodule</i>" in text
    assert "'<u>.png' is & empty" in text
    for tag in ("<b>.png", "<u>", "<i>N", "<script>alert"):
        assert tag not in html


def test_failures_are_counted_and_shown(add) -> None:
    report = Report("m")
    add(report)
    report.add_error({"path": "x.png", "width": None, "height": None, "error": "'x.png' is empty.", "findings": []})
    text = check(report.html()).text
    assert "1 explained, 1 failed" in text
    assert "Not explained: 'x.png' is empty." in text


def test_only_failures_still_make_a_page() -> None:
    report = Report("m")
    report.add_error({"path": "x.png", "width": None, "height": None, "error": "'x.png' is empty.", "findings": []})
    assert "0 explained, 1 failed" in check(report.html()).text


def test_pictures_are_bounded_in_number(add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURED_AT_MOST", 1)
    report = Report("m")
    add(report, path="first.png")
    add(report, path="second.png")
    html = report.html()
    assert len(check(html).sources) == 2
    assert 'href="overlays/x.png"' in html
    assert "first 1 images" in html


def test_the_scale_is_explained(add) -> None:
    absolute, scaled, relevance = Report("m"), Report("m"), Report("m")
    add(absolute)
    add(scaled, scaling="image")
    add(relevance, unit="relevance")
    assert "Colour: probability" in absolute.html()
    assert "its minimum" in scaled.html()
    assert "if that place alone decided" in absolute.html()
    assert "share of each map's maximum" in check(relevance.html()).text
    assert "if that place alone decided" not in relevance.html()


def test_the_same_input_gives_the_same_bytes(add) -> None:
    first, second = Report("m"), Report("m")
    add(first)
    add(second)
    assert first.html() == second.html()
