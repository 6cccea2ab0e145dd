"""Masked binary cross-entropy by hand."""

from __future__ import annotations

import math

import pytest
import torch

from pylon_zoo.training.loss import masked_bce

NAN = float("nan")


def test_by_hand():
    logits = torch.tensor([[0.0, 2.0], [-1.0, 5.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, NAN]])
    expected = (math.log(2) + math.log1p(math.exp(2)) + math.log1p(math.exp(-1))) / 3
    assert masked_bce(logits, targets).item() == pytest.approx(expected)


def test_unknown_labels_have_no_gradient_even_where_the_logit_overflowed():
    logits = torch.tensor([[0.5, float("inf"), -3.0]], requires_grad=True)
    loss = masked_bce(logits, torch.tensor([[1.0, NAN, NAN]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad[0, 0] != 0
    assert logits.grad[0, 1:].tolist() == [0, 0]


def test_nothing_known_is_zero():
    logits = torch.tensor([[1.0]], requires_grad=True)
    loss = masked_bce(logits, torch.tensor([[NAN]]))
    loss.backward()
    assert (loss.item(), logits.grad.item()) == (0.0, 0.0)


def test_half_precision_logits_are_judged_in_float32():
    loss = masked_bce(torch.tensor([[20.0]], dtype=torch.float16), torch.tensor([[1.0]]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.exp(-20), rel=1e-3)
