"""The page: whole, self-contained, and showing what it says."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.transforms import EvalTransform
from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.charts import bars, curve
from pylon_zoo.evaluation.decisions import decide
from pylon_zoo.evaluation.evaluate import prepared
from pylon_zoo.evaluation.gallery import SIDE, choose, draw, gallery
from pylon_zoo.evaluation.report import report_html
from pylon_zoo.metrics import Outcomes
from pylon_zoo.models.build import build_model


def page(model, dataset, **options) -> str:
    evaluation = evaluate(model, dataset, **options)
    return report_html(decide(evaluation, evaluation), gallery(model, prepared(model, dataset, None), evaluation))


def test_a_page_needs_nothing_else_and_is_the_same_twice(cards, oracle):
    html = page(oracle, cards(), bootstrap=20)
    assert html == page(oracle, cards(), bootstrap=20)
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?:", html)
    for text in (
        "lower",
        "upper",
        "Point accuracy by box area",
        "Reliability",
        "Where peaks lie",
        "these numbers flatter",
        "hidden",
    ):
        assert text in html
    assert html.count("data:image/jpeg") == 6  # every boxed image of the eight, none twice
    assert html.count("<svg") == 5
    for svg in re.findall(r"<svg.*?</svg>", html):
        ElementTree.fromstring(svg)


def test_pictures_are_the_same_whoever_normalises():
    model = build_model("pylon_test_resnet", 8, 1, label_names=PhantomCxr.classes)

    def shown(normalize: bool) -> list[bytes]:
        transform = EvalTransform((64, 64), (0.4,), (0.3,), normalize=normalize)
        data = PhantomCxr("test", size=64, count=8, transform=transform)
        return [one.picture.tobytes() for one in gallery(model, data, evaluate(model, data))]

    here = shown(True)
    assert here
    assert here == shown(False)


def test_a_model_without_heatmaps_has_a_page(cards):
    model = build_model("pylon_test_resnet", 3, 1, head_mlp_layers=2, label_names=cards.classes)
    model.pretrained_cfg["input_size"] = (1, 32, 32)
    html = page(model, cards())
    assert "no heatmaps" in html
    assert "data:image" not in html


def test_names_are_escaped(cards, oracle, monkeypatch):
    monkeypatch.setattr(cards, "classes", ("<b>lower", "hidden", "upper&"))
    oracle.set_labels(("upper&", "<b>lower", "other"))
    html = page(oracle, cards())
    assert "<b>lower" not in html
    assert "upper&amp;" in html


def test_best_worst_and_random_are_what_they_say():
    hits = torch.tensor([1, 1, 1, 1, 1, 0, 0, 0])
    pairs = Outcomes(torch.arange(8), torch.zeros(8).long(), hits, torch.ones(8))
    told = torch.tensor([0.1, 0.2, 0.9, 0.8, 0.3, 0.9, 0.1, 0.5])[:, None]
    chosen = choose(pairs, told, 0)
    assert [image for kind, image in chosen if kind == "best"] == [2, 3]
    assert [image for kind, image in chosen if kind == "worst"] == [5, 7]
    drawn = [image for kind, image in chosen if kind == "random"]
    assert len(drawn) == 2
    assert not set(drawn) & {2, 3, 5, 7}
    assert choose(pairs, told, 0) == chosen
    assert choose(pairs, told, 1) == []


def test_the_box_and_the_peak_are_drawn_where_they_are():
    values = torch.zeros(8, 8)
    values[6, 2] = 1
    box = torch.tensor([[0.0, 16, 8, 48, 40]])
    picture = np.asarray(draw(torch.zeros(1, 128, 128, dtype=torch.uint8), values, box, (64, 64))).astype(int)
    assert picture.shape == (SIDE, SIDE, 3)
    blue = (abs(picture - (90, 220, 255)) < 12).all(-1)
    rows, columns = np.nonzero(blue)
    scale = SIDE / 64
    assert (columns.min(), columns.max()) == (pytest.approx(16 * scale, abs=2), pytest.approx(48 * scale, abs=2))
    assert (rows.min(), rows.max()) == (pytest.approx(8 * scale, abs=2), pytest.approx(40 * scale, abs=2))
    white = (picture.min(-1) > 140) & ~blue
    rows, columns = np.nonzero(white)
    assert (rows.mean(), columns.mean()) == (pytest.approx(6.5 * 36, abs=3), pytest.approx(2.5 * 36, abs=3))


def test_pictures_follow_a_datasets_own_transform(cards, oracle):
    data = cards()
    data.transform = EvalTransform((64, 64), (0.0,), (1.0,), "nearest")
    evaluation = evaluate(oracle, data)
    shown = list(gallery(oracle, data, evaluation))
    assert {(one.label, one.hit) for one in shown} == {(0, True), (1, True)}


def test_charts_cope_with_undefined_values_and_none():
    svg = bars([("a & b", math.nan, math.nan, math.nan, ""), ("c", 0.5, math.nan, math.nan, "")], marks=[math.nan])
    assert "no cases" in ElementTree.tostring(ElementTree.fromstring(svg), encoding="unicode")
    assert "nan" not in svg
    ElementTree.fromstring(curve([], "x", "y"))


def test_metrics_judged_by_masks_are_marked(cards, ringed, oracle):
    assert "pxap (masks)" in page(oracle, ringed(), metrics=["pxap"])
    assert "(masks)" not in page(oracle, cards(), metrics=["pxap"])
