"""AUROC against a rank count done by hand."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import average_precision_score

from pylon_zoo.errors import DataError, MissingDependencyError
from pylon_zoo.metrics.classification import auroc, average_precision

NAN = float("nan")


def naive_auroc(scores: list[float], targets: list[float]) -> float:
    """The share of (present, absent) pairs ranked rightly, ties one half."""
    present = [s for s, t in zip(scores, targets, strict=True) if t == 1]
    absent = [s for s, t in zip(scores, targets, strict=True) if t == 0]
    wins = sum(1.0 if p > a else 0.5 if p == a else 0.0 for p in present for a in absent)
    return wins / (len(present) * len(absent))


def test_agrees_with_counting_pairs():
    torch.manual_seed(0)
    scores = torch.randint(0, 8, (60, 3)).float()
    targets = torch.randint(0, 2, (60, 3)).float()
    targets[torch.rand(60, 3) < 0.2] = NAN
    result = auroc(scores, targets)
    for label in range(3):
        expected = naive_auroc(scores[:, label].tolist(), targets[:, label].tolist())
        assert result.per_class[label].item() == pytest.approx(expected)
        assert result.support[label] == (targets[:, label] == 1).sum()


def test_unknown_targets_are_left_out():
    scores = torch.tensor([[0.9], [0.1], [0.95], [0.2]])
    assert auroc(scores, torch.tensor([[1.0], [0.0], [NAN], [0.0]])).per_class.tolist() == [1.0]
    assert auroc(scores, torch.tensor([[1.0], [0.0], [0.0], [0.0]])).per_class[0].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize(("only", "support"), [(1.0, 3), (0.0, 0), (NAN, 0)])
def test_one_class_only_is_nan(only, support):
    targets = torch.tensor([[0.0, only], [1.0, only], [1.0, only]])
    result = auroc(torch.tensor([[0.0, 0.1], [0.5, 0.2], [0.6, 0.3]]), targets)
    assert math.isnan(result.per_class[1])
    assert result.support.tolist() == [2, support]
    assert result.macro == 1.0


def test_half_precision_scores_are_ranked_exactly():
    assert auroc(torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16), torch.tensor([[0.0], [1.0]])).macro == 1.0


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"\(2, 1\).*\(2, 2\)"):
        auroc(torch.zeros(2, 1), torch.zeros(2, 2))
    with pytest.raises(DataError, match=r"0, 1 or NaN"):
        auroc(torch.zeros(2, 1), torch.tensor([[0.0], [0.5]]))
    with pytest.raises(DataError, match="Scores hold NaN"):
        auroc(torch.tensor([[NAN], [0.0]]), torch.tensor([[0.0], [1.0]]))


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.metrics", None)
    with pytest.raises(MissingDependencyError, match=r"pylon-zoo\[metrics\]"):
        auroc(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]))


def test_average_precision_by_hand_and_by_scikit_learn():
    """Ranked present, absent, present: (1/1 + 2/3) / 2."""
    scores, targets = torch.tensor([[3.0], [2.0], [1.0]]), torch.tensor([[1.0], [0.0], [1.0]])
    assert average_precision(scores, targets).macro == pytest.approx(5 / 6)
    torch.manual_seed(1)
    scores, targets = torch.randint(0, 9, (80, 3)).float(), torch.randint(0, 2, (80, 3)).float()
    targets[torch.rand(80, 3) < 0.2] = NAN
    result = average_precision(scores, targets)
    for label in range(3):
        known = ~targets[:, label].isnan()
        expected = average_precision_score(targets[known, label], scores[known, label])
        assert result.per_class[label].item() == pytest.approx(expected)


def test_average_precision_of_one_score_for_all_is_the_prevalence():
    assert average_precision(torch.zeros(4, 1), torch.tensor([[1.0], [0.0], [0.0], [0.0]])).macro == 0.25
    assert math.isnan(average_precision(torch.zeros(2, 1), torch.zeros(2, 1)).macro)
