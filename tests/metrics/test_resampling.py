"""Every figure of every draw is what the metric says of the drawn images, repeated as often as they were drawn."""

from __future__ import annotations

import pytest
import torch
from metric_cases import CLASSES, SIZE, random_case
from torch import Tensor

from pylon_zoo.metrics import (
    LOCALIZATION,
    POINTING,
    Bootstrap,
    Outcomes,
    PointAccuracy,
    Reliability,
    Scored,
    auroc,
    average_precision,
    pointing,
)
from pylon_zoo.metrics.resampling import CalibrationError, Mean, Pointing, Ranking, weighted_median

IMAGES, DRAWS = 9, 6
NAN = float("nan")


@pytest.fixture
def weights() -> Tensor:
    """How often each image is in each draw; in the last draw the first image is alone."""
    drawn = torch.cat(list(Bootstrap([str(index) for index in range(IMAGES)], DRAWS, seed=3).weights()))
    return torch.cat([drawn, torch.eye(IMAGES, dtype=torch.float64)[:1]])


def repeated(weights: Tensor) -> Tensor:
    """The images of one draw, each as often as it was drawn."""
    return torch.arange(len(weights)).repeat_interleave(weights.long())


def same(found: Tensor, expected: Tensor, tolerance: float = 1e-9) -> bool:
    return torch.allclose(found.double(), expected.double(), atol=tolerance, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", LOCALIZATION)
def test_every_localization_metric(name: str, weights: Tensor):
    heatmaps, boxes = random_case(4, images=IMAGES)
    metric = LOCALIZATION[name](CLASSES, SIZE)
    parts = [metric.measure(heatmaps[start : start + 4], boxes[start : start + 4]) for start in (0, 4, 8)]
    scored = Scored.join([Scored(one.images + 4 * number, one.labels, one.values) for number, one in enumerate(parts)])
    values, support = metric.statistic("figure", scored, CLASSES)(weights)["figure"]
    for draw, found, cases in zip(weights, values, support, strict=True):
        rows = repeated(draw)
        again = LOCALIZATION[name](CLASSES, SIZE)
        again.update(heatmaps[rows], [boxes[row] for row in rows])
        expected = again.compute()
        assert torch.equal(cases.long(), expected.support)
        assert same(found, expected.per_class)


def test_some_classes_can_be_chosen(weights: Tensor):
    heatmaps, boxes = random_case(4, images=IMAGES)
    metric = LOCALIZATION["pxap"](CLASSES, SIZE)
    scored = metric.measure(heatmaps, boxes)
    whole, _ = metric.statistic("figure", scored, CLASSES)(weights)["figure"]
    turned, _ = metric.statistic("figure", scored.select([2, 0]), 2)(weights)["figure"]
    assert same(turned, whole[:, [2, 0]])


@pytest.mark.parametrize("levels", [3, 1000], ids=["ties", "no ties"])
def test_ranking(weights: Tensor, levels: int):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, levels, (IMAGES, 3), generator=generator).float()
    targets = torch.randint(0, 2, (IMAGES, 3), generator=generator).float()
    targets[::3, 1], targets[:, 2] = NAN, 1.0
    figures = Ranking(scores, targets)(weights)
    for name, metric in (("auroc", auroc), ("auprc", average_precision)):
        values, support = figures[name]
        for draw, found, cases in zip(weights, values, support, strict=True):
            rows = repeated(draw)
            expected = metric(scores[rows], targets[rows])
            assert torch.equal(cases.long(), expected.support)
            assert same(found, expected.per_class)


def test_pointing(weights: Tensor):
    heatmaps, boxes = random_case(4, images=IMAGES)
    outcomes = PointAccuracy(CLASSES, SIZE).judge(heatmaps, boxes)
    figures = Pointing(outcomes, CLASSES)(weights)
    assert tuple(figures) == POINTING
    for number, draw in enumerate(weights):
        rows = repeated(draw)
        expected = pointing(PointAccuracy(CLASSES, SIZE).judge(heatmaps[rows], [boxes[row] for row in rows]), CLASSES)
        for name, (values, support) in figures.items():
            assert torch.equal(support[number].long(), expected[name].support)
            assert same(values[number], expected[name].per_class, 1e-6), name  # its shares are float32


def test_calibration_error(weights: Tensor):
    generator = torch.Generator().manual_seed(0)
    told = torch.rand(IMAGES, 2, generator=generator)
    truth = torch.randint(0, 2, (IMAGES, 2), generator=generator).float()
    truth[::2, 1] = NAN
    values, _ = CalibrationError("ece", told, truth)(weights)["ece"]
    for draw, found in zip(weights, values, strict=True):
        rows = repeated(draw)
        assert same(found, Reliability.of(told[rows], truth[rows]).expected_error.per_class)


def test_nothing_to_judge_is_undefined(weights: Tensor):
    nothing = Outcomes.join([])
    for name, metric in LOCALIZATION.items():
        made = metric(2, SIZE)
        scored = made.measure(torch.zeros(0, 2, 3, 3), [])
        values, support = made.statistic(name, scored, 2)(weights)[name]
        assert values.isnan().all()
        assert not support.any()
    assert all(values.isnan().all() for values, _ in Pointing(nothing, 2)(weights).values())
    assert Mean("share", nothing, 2)(weights)["share"][0].isnan().all()


def test_a_pair_that_says_nothing_is_left_out(weights: Tensor):
    scored = Scored(torch.arange(3), torch.zeros(3).long(), torch.tensor([1.0, NAN, 0.5]))
    values, support = Mean("mean", scored, 1)(weights)["mean"]
    assert same(support[:, 0], weights[:, 0] + weights[:, 2])
    assert same(values[:, 0], (weights[:, 0] + weights[:, 2] / 2) / support[:, 0])
    assert Mean("mean", scored, 1).shares is None
    hits, cases = Mean("hits", Scored(*(one[:2] for one in vars(scored).values())), 1).shares
    assert (hits.tolist(), cases.tolist()) == ([1.0], [1])


def test_weighted_medians_are_those_of_repeated_values():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(7, generator=generator).double()
    weights = torch.randint(0, 4, (50, 7), generator=generator).double()
    weights[0] = 0
    expected = [values.repeat_interleave(one.long()).quantile(0.5).item() if one.any() else NAN for one in weights]
    assert same(weighted_median(values, weights), torch.tensor(expected, dtype=torch.float64))


def test_the_same_draws_serve_all_figures_however_many_at_a_time(monkeypatch):
    heatmaps, boxes = random_case(4, images=IMAGES)
    metric = LOCALIZATION["pxap"](CLASSES, SIZE)
    statistics = [metric.statistic("pxap", metric.measure(heatmaps, boxes), CLASSES)]
    statistics.append(Ranking(torch.rand(IMAGES, 2), torch.arange(IMAGES * 2).view(IMAGES, 2) % 3 % 2))
    draws = Bootstrap([str(index // 2) for index in range(IMAGES)], 40)
    whole = draws.intervals(statistics)
    monkeypatch.setattr("pylon_zoo.metrics.bootstrap.DRAWS_AT_ONCE", 7)
    monkeypatch.setattr("pylon_zoo.metrics.resampling.PAIRS_AT_ONCE", 2)
    parts = draws.intervals(statistics)
    assert list(whole) == ["pxap", "auroc", "auprc"]
    for name, interval in whole.items():
        assert same(parts[name].low, interval.low)
        assert parts[name].macro == pytest.approx(interval.macro)
