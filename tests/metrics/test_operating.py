"""Thresholds: by hand, by trying them all, and honest about where they came from."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from pylon_zoo.errors import DataError
from pylon_zoo.metrics.operating import GeometricMeanThresholds, sensitivity_specificity

NAN = float("nan")
SCORES = torch.tensor([[0.1], [0.4], [0.35], [0.8], [0.7]])
TARGETS = torch.tensor([[0.0], [0.0], [1.0], [1.0], [NAN]])
CASES = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0.0, 1.0])), min_size=2, max_size=30)


def test_by_hand():
    sensitivity, specificity = sensitivity_specificity(SCORES, TARGETS, torch.tensor([0.4]))
    assert (sensitivity.macro, sensitivity.support.tolist()) == (0.5, [2])
    assert (specificity.macro, specificity.support.tolist()) == (0.5, [2])


def test_agrees_with_scikit_learn():
    torch.manual_seed(0)
    scores, targets = torch.rand(70, 2), torch.randint(0, 2, (70, 2)).float()
    sensitivity, specificity = sensitivity_specificity(scores, targets, torch.tensor([0.3, 0.6]))
    for label, threshold in enumerate((0.3, 0.6)):
        called = scores[:, label] >= threshold
        assert sensitivity.per_class[label].item() == pytest.approx(recall_score(targets[:, label], called))
        assert specificity.per_class[label].item() == pytest.approx(
            recall_score(targets[:, label], called, pos_label=0)
        )


def test_the_fit_by_hand():
    """At 0.8: √(1/2 · 1); at 0.35: √(1 · 1/2); equal, so the higher."""
    assert GeometricMeanThresholds.fit(SCORES, TARGETS, "val").thresholds.item() == pytest.approx(0.8)


@settings(max_examples=80, deadline=None)
@given(CASES, st.randoms())
def test_no_threshold_is_better_and_order_does_not_matter(cases, random):
    scores, targets = (torch.tensor([case[i] for case in cases])[:, None].double() for i in (0, 1))
    fitted = GeometricMeanThresholds.fit(scores, targets, "val").thresholds
    if len(targets.unique()) < 2:
        assert fitted.isnan().all()
        return

    def mean(threshold: float) -> float:
        both = sensitivity_specificity(scores, targets, torch.tensor([threshold]))
        return both[0].macro * both[1].macro

    assert mean(fitted.item()) == pytest.approx(max(map(mean, range(-1, 8))))
    order = list(range(len(cases)))
    random.shuffle(order)
    assert torch.equal(GeometricMeanThresholds.fit(scores[order], targets[order], "val").thresholds, fitted)


def test_use_on_the_split_it_was_fitted_on_is_visible():
    fitted = GeometricMeanThresholds.fit(SCORES, TARGETS, "val")
    assert fitted.apply(SCORES, TARGETS, "val").in_sample
    point = fitted.apply(SCORES, TARGETS, "test")
    assert (point.in_sample, point.fitted_on, point.applied_to) == (False, "val", "test")


def test_a_class_that_could_not_be_fitted_stays_undefined():
    fitted = GeometricMeanThresholds.fit(SCORES, torch.zeros(5, 1), "val")
    point = fitted.apply(SCORES, TARGETS, "test")
    assert math.isnan(point.sensitivity.macro)
    assert math.isnan(point.specificity.macro)


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="one shape"):
        GeometricMeanThresholds.fit(SCORES, TARGETS[:2], "val")
    with pytest.raises(DataError, match="1 classes need as many thresholds"):
        sensitivity_specificity(SCORES, TARGETS, torch.zeros(2))
