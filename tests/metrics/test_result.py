"""Averages over classes."""

from __future__ import annotations

import math

import pytest
import torch

from pylon_zoo.metrics import MetricResult

NAN = float("nan")


def test_averages_by_hand():
    result = MetricResult("m", torch.tensor([0.2, 0.8, 0.5]), torch.tensor([10, 30, 60]))
    assert result.macro == pytest.approx(0.5)
    assert result.weighted == pytest.approx(0.1 * 0.2 + 0.3 * 0.8 + 0.6 * 0.5)


def test_classes_without_support_or_value_do_not_count():
    result = MetricResult("m", torch.tensor([0.2, NAN, 0.9, 0.4]), torch.tensor([10, 30, 0, 10]))
    assert result.macro == pytest.approx(0.3)
    assert result.weighted == pytest.approx(0.3)


def test_no_class_has_support():
    result = MetricResult("m", torch.tensor([NAN, NAN]), torch.tensor([0, 0]))
    assert math.isnan(result.macro)
    assert math.isnan(result.weighted)


def test_select_reorders():
    chosen = MetricResult("m", torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1, 2, 3])).select([2, 0])
    assert chosen.per_class.tolist() == pytest.approx([0.3, 0.1])
    assert chosen.support.tolist() == [3, 1]
