"""Every figure that an evaluation gives has its interval, by patients where they are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from pylon_zoo.evaluation import console_table, evaluate, write_tables
from pylon_zoo.evaluation.decisions import decide
from pylon_zoo.evaluation.evaluate import prepared
from pylon_zoo.evaluation.gallery import gallery
from pylon_zoo.evaluation.intervals import intervals
from pylon_zoo.evaluation.latex import latex_table
from pylon_zoo.evaluation.report import report_html
from pylon_zoo.evaluation.tables import as_json, columns, rows
from pylon_zoo.metrics import LOCALIZATION, POINTING, Bootstrap, Scored
from pylon_zoo.metrics.resampling import Mean

QUICK = tuple(name for name in LOCALIZATION if name not in ("point_accuracy", "max_box"))
COUNTS = ("class", "images", "positives", "boxed_images")


def close(one, other) -> bool:
    return torch.allclose(one, other, atol=1e-9, equal_nan=True)


@pytest.fixture
def wrong_labels(oracle):
    """The model with its first two labels swapped and a bias for one of them, so that figures vary over images."""
    oracle.set_labels(("Lower", "Upper", "other"))
    return oracle


def test_every_figure_has_one(ringed, wrong_labels):
    metrics = (*QUICK, "max_box", "deletion", "masked_out_area")
    evaluation = evaluate(wrong_labels, ringed(count=12), metrics=metrics, bootstrap=30, batch_size=5)
    evaluation = decide(evaluation, evaluation)
    figures = [name for name in columns(evaluation) if name not in COUNTS and not name.endswith(("_low", "_high"))]
    assert {*metrics, *POINTING, "auroc", "auprc", "point_accuracy", "energy_random", "pxap_oracle"} <= set(figures)
    assert set(figures) <= set(evaluation.intervals)
    assert set(evaluation.intervals) - set(figures) == {
        *("ece", "ece_temperature", "ece_platt", "sensitivity", "specificity")
    }
    for row in rows(evaluation):
        for name in figures:
            low, high, value = row[f"{name}_low"], row[f"{name}_high"], row[name]
            assert math.isnan(low) == math.isnan(high) == math.isnan(value), name
            assert math.isnan(low) or low <= high, name
    content = as_json(evaluation)
    point, errors = content["operating_point"], content["calibration"]
    assert {"sensitivity_low", "specificity_high"} <= set(point)
    assert {"as_predicted_low", "temperature_high", "platt_low"} <= set(errors)
    assert errors["as_predicted_low"] <= errors["as_predicted"] <= errors["as_predicted_high"]


def test_without_draws_nothing_has_one_and_nothing_is_kept(ringed, wrong_labels, tmp_path):
    evaluation = evaluate(wrong_labels, ringed(), metrics=["energy"])
    evaluation = decide(evaluation, evaluation)
    assert evaluation.intervals == {}
    assert not [name for name in columns(evaluation) if name.endswith(("_low", "_high"))]
    assert "_low" not in json.dumps(as_json(evaluation))
    assert "scriptsize" not in latex_table(evaluation)
    write_tables(evaluation, tmp_path)


def test_tables_and_the_page_show_them(ringed, wrong_labels):
    data = ringed(count=12)
    evaluation = evaluate(wrong_labels, data, metrics=["energy"], bootstrap=30)
    evaluation = decide(evaluation, evaluation)
    line = next(one for one in console_table(evaluation).splitlines() if one.startswith("macro"))
    # AUROC, AUPRC, point accuracy, energy, three controls; the offset and two shares of one place
    assert line.count("–") + line.count(" to ") == 7 + 2 + 2
    tex = latex_table(evaluation)
    assert tex.count(r"\scriptsize") >= 2 * 5
    html = report_html(evaluation, gallery(wrong_labels, prepared(wrong_labels, data, None), evaluation))
    error = evaluation.intervals["ece"].macro
    assert f"({error[0]:.2f}–{error[1]:.2f})" in html
    shares = evaluation.intervals["specificity"]
    assert f"({float(shares.low[0]):.2f}–{float(shares.high[0]):.2f})" in html


def test_a_patients_images_are_drawn_together(cards, wrong_labels, monkeypatch):
    alone = evaluate(wrong_labels, cards(count=12), metrics=QUICK, bootstrap=60)
    load = cards.load
    monkeypatch.setattr(cards, "load", lambda self, index: replace(load(self, index), patient=f"{index // 6}"))
    together = evaluate(wrong_labels, cards(count=12), metrics=QUICK, bootstrap=60)
    for name in ("auprc", "offset_down", "same_place_boxes", "energy_random", "ece"):
        one, two = alone.intervals[name], together.intervals[name]
        assert not close(one.low, two.low) or not close(one.high, two.high), name


@pytest.mark.slow
def test_batches_change_no_interval(ringed, wrong_labels):
    one, two = (
        evaluate(wrong_labels, ringed(), metrics=[*QUICK, "insertion"], bootstrap=25, batch_size=size)
        for size in (1, 5)
    )
    assert list(one.intervals) == list(two.intervals)
    for name, interval in one.intervals.items():
        tolerance = 1e-6 if name == "insertion" else 1e-9
        assert torch.allclose(interval.low, two.intervals[name].low, atol=tolerance, equal_nan=True), name


def test_shares_that_cannot_vary_have_wilsons():
    draws = Bootstrap([str(index) for index in range(8)], 50)
    hits = Scored(torch.arange(8), torch.zeros(8).long(), torch.ones(8))
    steady = intervals(draws, [Mean("hits", hits, 1)])["hits"]
    assert (steady.low.item(), steady.high.item()) == (pytest.approx(0.6756, abs=1e-4), 1.0)
    halves = Scored(torch.arange(8), torch.zeros(8).long(), torch.full((8,), 0.5))
    constant = intervals(draws, [Mean("mass", halves, 1)])["mass"]
    assert (constant.low.item(), constant.high.item()) == (0.5, 0.5)
