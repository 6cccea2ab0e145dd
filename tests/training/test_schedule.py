"""Schedules: the plateau against PyTorch's own, the cosine by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pylon_zoo.training.schedule import SCHEDULES, Cosine, Plateau

# Validation losses of a run: steady progress, hesitation, progress below the threshold, two plateaus and an end.
RECORDED = (
    0.301, 0.262, 0.241, 0.244, 0.236, 0.2361, 0.23599, 0.229, 0.2289999, 0.228999, 0.224, 0.2255, 0.2239, 0.23,
    0.231, 0.2238, 0.22379999, 0.2242, 0.21, 0.22, 0.209, 0.215, 0.216, 0.2095, 0.209999, 0.2,
)  # fmt: skip


def test_plateau_makes_pytorchs_cuts():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1e-4)
    # PyTorch's patience counts the bad evaluations that are still borne, ours those that make a cut.
    reference = ReduceLROnPlateau(optimizer, factor=0.2, patience=1, threshold=1e-4)
    schedule = Plateau(max_cuts=100)
    rates = []
    for loss in RECORDED:
        reference.step(loss)
        schedule.observe(loss)
        rates.append(1e-4 * schedule.scale(0.5))
        assert rates[-1] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
    assert len(set(rates)) >= 4, "the sequence must contain cuts for this test to mean anything"


def test_plateau_follows_the_paper_to_its_end():
    schedule, seen = Plateau(), []
    losses = [0.5, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6]
    for loss in losses:
        assert not schedule.finished
        schedule.observe(loss)
        seen.append(round(1e-4 * schedule.scale(0.0), 12))
    assert seen == [1e-4, 1e-4, 2e-5, 2e-5, 2e-5, 4e-6, 4e-6, 8e-7]
    assert schedule.finished


def test_a_cut_starts_the_count_anew_and_an_improvement_clears_it():
    schedule = Plateau(patience=2)
    for loss in (1.0, 1.1, 0.9, 1.1):
        schedule.observe(loss)
    assert schedule.cuts == 0
    schedule.observe(1.1)
    schedule.observe(1.1)
    assert schedule.cuts == 1
    schedule.observe(1.1)
    assert schedule.cuts == 2


def test_plateau_goes_on_from_its_state():
    first, second = Plateau(), Plateau()
    for position, loss in enumerate(RECORDED):
        first.observe(loss)
        if position == 10:
            second.load_state_dict(first.state_dict())
        elif position > 10:
            second.observe(loss)
    assert second.state_dict() == first.state_dict()


def test_cosine_rises_then_falls_to_its_floor():
    schedule = Cosine(warmup=0.2, floor=0.1)
    assert schedule.scale(0.1) == pytest.approx(0.5)
    assert schedule.scale(0.2) == pytest.approx(1.0)
    assert schedule.scale(0.6) == pytest.approx(0.1 + 0.9 * 0.5)
    assert schedule.scale(1.0) == pytest.approx(0.1)
    assert 0 < schedule.scale(0.0) < 0.01
    assert not schedule.finished


def test_cosine_without_warmup_starts_at_the_base_rate():
    assert Cosine(warmup=0.0).scale(0.0) == 1.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_the_contract(name):
    schedule = SCHEDULES[name]()
    assert schedule.finished is False
    assert 0 < schedule.scale(0.5) <= 1
    schedule.observe(math.log(2))
    SCHEDULES[name]().load_state_dict(schedule.state_dict())
