"""Intervals: by hand, by SciPy, by drawing naively."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics.bootstrap import Bootstrap
from pylon_zoo.metrics.classification import auroc
from pylon_zoo.metrics.doubt import student_t_interval, wilson_interval
from pylon_zoo.metrics.outcomes import Outcomes, Strata

NAN = float("nan")


def test_student_t_by_hand_and_by_scipy():
    low, high = student_t_interval([1.0, 2.0, 3.0])
    assert (low, high) == (pytest.approx(2 - 4.302653 / math.sqrt(3)), pytest.approx(2 + 4.302653 / math.sqrt(3)))
    runs = [0.6, 0.64, 0.58, 0.61, 0.59]
    expected = stats.t.interval(0.9, 4, np.mean(runs), stats.sem(runs))
    assert student_t_interval(runs, 0.9) == pytest.approx(expected)
    assert all(map(math.isnan, student_t_interval([0.5])))
    with pytest.raises(ConfigError, match="level=95"):
        student_t_interval(runs, 95)


@pytest.mark.parametrize(("hits", "cases"), [(0, 10), (10, 10), (38, 79), (1, 1)])
def test_wilson_agrees_with_scipy(hits, cases):
    expected = stats.binomtest(hits, cases).proportion_ci(method="wilson")
    low, high = wilson_interval(torch.tensor(hits), torch.tensor(cases))
    assert (low.item(), high.item()) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_wilson_of_nothing_is_undefined():
    assert wilson_interval(torch.tensor([0]), torch.tensor([0]))[0].isnan().all()


def pairs(count: int = 60) -> Outcomes:
    generator = torch.Generator().manual_seed(0)
    hits = (torch.rand(count, generator=generator) < 0.4).float()
    return Outcomes(torch.arange(count), torch.arange(count) % 2, hits, torch.rand(count, generator=generator))


def test_draws_agree_with_drawing_naively():
    """Every draw's AUROC and share, by scikit-learn and by repeating rows."""
    torch.manual_seed(0)
    scores, targets = torch.randint(0, 6, (50, 2)).float(), torch.randint(0, 2, (50, 2)).float()
    targets[::7, 1] = NAN
    draws = Bootstrap([str(index // 2) for index in range(50)], replicates=40, level=0.8)
    areas, shares = [], []
    outcomes = pairs(50)
    table, _ = outcomes.table(50, 2)
    for weights in torch.cat(list(draws.weights())):
        assert torch.equal(weights[::2], weights[1::2])  # a patient's two images are drawn together
        rows = torch.arange(50).repeat_interleave(weights.long())
        areas.append(auroc(scores[rows], targets[rows]))
        shares.append(table[rows].nanmean(0))
    got = draws.auroc(scores, targets)
    ends = torch.tensor([0.1, 0.9]).double()
    expected = torch.stack([one.per_class for one in areas]).nanquantile(ends, dim=0)
    assert torch.allclose(torch.stack([got.low, got.high]), expected)
    for average in ("macro", "weighted"):
        values = torch.tensor([getattr(one, average) for one in areas]).double()
        assert getattr(got, average) == pytest.approx(values.nanquantile(ends).tolist())
    share = draws.share(outcomes, 2)
    assert torch.allclose(torch.stack([share.low, share.high]), torch.stack(shares).nanquantile(ends, dim=0))


def test_a_bootstrap_is_about_the_binomial_interval():
    hits = Outcomes(torch.arange(400), torch.zeros(400).long(), (torch.arange(400) % 4 == 0).float(), torch.ones(400))
    got = Bootstrap([str(i) for i in range(400)], replicates=2000).share(hits, 1)
    low, high = wilson_interval(torch.tensor(100), torch.tensor(400))
    assert got.macro == pytest.approx((low.item(), high.item()), abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(range(30))))
def test_order_does_not_matter(order):
    generator = torch.Generator().manual_seed(1)
    scores, targets = torch.rand(30, 1, generator=generator), (torch.arange(30) % 3 == 0).float()[:, None]
    names = [f"p{index}" for index in range(30)]
    one = Bootstrap(names, replicates=50).auroc(scores, targets)
    two = Bootstrap([names[i] for i in order], replicates=50).auroc(scores[order], targets[order])
    assert (one.macro, one.low.item()) == (pytest.approx(two.macro), pytest.approx(two.low.item()))


def test_undefined_classes_stay_undefined_and_mistakes_are_refused():
    draws = Bootstrap(["a", "b"], replicates=5)
    assert draws.auroc(torch.zeros(2, 1), torch.ones(2, 1)).low.isnan().all()
    assert draws.share(Outcomes.join([]), 3).high.isnan().all()
    with pytest.raises(DataError, match="2 images got scores of 3"):
        draws.auroc(torch.zeros(3, 1), torch.zeros(3, 1))
    with pytest.raises(ConfigError, match="at least one draw"):
        Bootstrap(["a"], replicates=0)


def test_strata_by_hand():
    outcomes = Outcomes(
        torch.arange(4), torch.zeros(4).long(), torch.tensor([1, 0, 1, 1]), torch.tensor([0, 0.5, 1, 0.1])
    )
    strata = Strata.of(outcomes, (0, 0.1, 0.5, 1))
    assert (strata.hits.tolist(), strata.cases.tolist()) == ([1, 1, 1], [1, 1, 2])
    assert strata.interval()[0].shape == (3,)
    with pytest.raises(ConfigError, match="rise from 0 to 1"):
        Strata.of(outcomes, (0, 0.5, 0.5, 1))


@given(st.integers(0, 60))
def test_joined_parts_are_the_whole(cut):
    whole = pairs()
    fields = (whole.images, whole.labels, whole.values, whole.areas)
    parts = Outcomes.join([Outcomes(*(one[cut:] for one in fields)), Outcomes(*(one[:cut] for one in fields))])
    assert torch.equal(parts.table(60, 2)[0].nan_to_num(-1), whole.table(60, 2)[0].nan_to_num(-1))
    assert torch.equal(Strata.of(parts).hits, Strata.of(whole).hits)


def test_select_renumbers():
    chosen = pairs(4).select([1])
    assert (chosen.images.tolist(), chosen.labels.tolist()) == ([1, 3], [0, 0])
