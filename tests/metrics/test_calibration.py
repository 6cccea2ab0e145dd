"""Expected calibration error, and the two ways to lower it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _sigmoid_calibration, calibration_curve
from sklearn.linear_model import LogisticRegression

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics.calibration import Reliability
from pylon_zoo.metrics.scaling import platt_scaling, temperature_scaling

NAN = float("nan")


def sample(count: int = 4000, slope: float = 3.0, offset: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `slope` times too sure and off by `offset`, with targets."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(count, 1, generator=generator).double() * 2
    return slope * true + offset, (torch.rand(count, 1, generator=generator) < true.sigmoid()).float()


def test_error_by_hand():
    """Bin [0, ½): 0.2 and 0.4, one present: gap |1 - 0.6|; bin [½, 1]: 0.5 and 1, both: gap |2 - 1.5|. Over 4."""
    probabilities = torch.tensor([[0.2], [0.4], [0.5], [1.0], [0.9]]).double()
    bins = Reliability.of(probabilities, torch.tensor([[0.0], [1.0], [1.0], [1.0], [NAN]]), bins=2)
    assert (bins.counts.tolist(), bins.observed.tolist()) == ([[2, 2]], [[1, 2]])
    assert bins.predicted[0].tolist() == pytest.approx([0.6, 1.5])
    assert bins.expected_error.macro == pytest.approx(0.9 / 4)


def test_bins_agree_with_scikit_learn():
    logits, targets = sample()
    bins = Reliability.of(logits.sigmoid(), targets, bins=10)
    full = bins.counts[0] > 0
    observed, predicted = calibration_curve(targets[:, 0].numpy(), logits.sigmoid()[:, 0].numpy(), n_bins=10)
    assert (bins.observed / bins.counts)[0, full].tolist() == pytest.approx(observed.tolist())
    assert (bins.predicted / bins.counts)[0, full].tolist() == pytest.approx(predicted.tolist())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0, NAN])), max_size=30), st.integers(0, 30))
def test_merged_parts_are_the_whole(cases, cut):
    probabilities = torch.tensor([case[0] for case in cases]).double().view(-1, 1)
    targets = torch.tensor([case[1] for case in cases]).view(-1, 1)
    whole = Reliability.of(probabilities, targets)
    parts = Reliability.of(probabilities[cut:], targets[cut:]).merge(Reliability.of(probabilities[:cut], targets[:cut]))
    assert torch.equal(parts.counts, whole.counts)
    assert torch.equal(parts.observed, whole.observed)
    assert torch.allclose(parts.predicted, whole.predicted)
    assert whole.counts.sum() == (~targets.isnan()).sum()


def test_pooled_and_undefined_classes():
    bins = Reliability.of(torch.tensor([[0.9, 0.5], [0.1, 0.5]]), torch.tensor([[1.0, NAN], [0.0, NAN]]))
    assert math.isnan(bins.expected_error.per_class[1])
    assert bins.pooled.counts.sum() == 2
    assert bins.expected_error.support.tolist() == [2, 0]


def test_a_temperature_finds_how_much_too_sure_the_logits_were():
    logits, targets = sample(offset=0.0)
    scaling = temperature_scaling(logits, targets, "val")
    assert scaling.temperature.item() == pytest.approx(3, rel=0.1)
    expected = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(logits.numpy(), targets[:, 0].numpy())
    assert scaling.slope.item() == pytest.approx(expected.coef_.item(), rel=1e-4)
    assert scaling.fitted_on == "val"
    errors = [Reliability.of(told, targets).expected_error.macro for told in (logits.sigmoid(), scaling(logits))]
    assert errors[1] < errors[0] / 3


def test_platt_agrees_with_scikit_learn():
    logits, targets = sample()
    scaling = platt_scaling(logits, targets, "val")
    # There a probability is 1 / (1 + exp(a x + b)).
    a, b = _sigmoid_calibration(logits[:, 0].numpy(), targets[:, 0].numpy())
    assert (scaling.slope.item(), scaling.offset.item()) == (pytest.approx(-a, rel=1e-3), pytest.approx(-b, rel=1e-3))


@pytest.mark.parametrize("fit", [temperature_scaling, platt_scaling])
def test_one_sided_classes_keep_their_probabilities(fit):
    logits = torch.tensor([[2.0], [1.0]])
    scaling = fit(logits, torch.ones(2, 1), "val")
    assert scaling.fitted.tolist() == [False]
    assert torch.allclose(scaling(logits), logits.double().sigmoid())


def test_flawless_logits_have_no_temperature_but_a_line():
    logits, targets = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    assert not temperature_scaling(logits, targets, "val").fitted.item()
    assert not temperature_scaling(-logits, targets, "val").fitted.item()
    line = platt_scaling(logits, targets, "val")
    assert line.fitted.item()
    assert line.slope.item() > 0


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"probabilities in \[0, 1\]"):
        Reliability.of(torch.tensor([[1.5]]), torch.ones(1, 1))
    with pytest.raises(ConfigError, match="bins=0"):
        Reliability.of(torch.ones(1, 1), torch.ones(1, 1), bins=0)
    with pytest.raises(ConfigError, match="merge"):
        Reliability.of(torch.ones(1, 1), torch.ones(1, 1)).merge(Reliability.of(torch.ones(1, 1), torch.ones(1, 1), 3))
    with pytest.raises(DataError, match="2 classes got logits"):
        platt_scaling(torch.zeros(2, 2), torch.zeros(2, 2), "val")(torch.zeros(2, 1))
