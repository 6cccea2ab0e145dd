"""Masked-out area: by hand, against one forward per step, and the bisection beside the scan."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics import MaskedOutArea
from pylon_zoo.metrics.geometry import upsample

K = 2


def small_model(seed: int) -> nn.Module:
    """A network whose logits depend on every pixel and go up and down as pixels vanish."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return nn.Sequential(layers, nn.Linear(24, K)).double().eval()


def case(seed: int, images: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 2, 9, 8), heatmaps (N, 2, 3, 4), targets (N, 2) with unknowns."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 2, 9, 8, generator=generator, dtype=torch.float64)
    targets = torch.tensor([0.0, 1.0, 1.0, 1.0, math.nan])[torch.randint(0, 5, (images, K), generator=generator)]
    return x, torch.randn(images, K, 3, 4, generator=generator), targets


class Counter:
    """Counts the images that a model sees."""

    def __init__(self, model) -> None:
        self.model, self.images, self.calls = model, 0, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.images += len(x)
        self.calls += 1
        return self.model(x)


def one_forward_per_step(model, x: Tensor, heatmaps: Tensor, targets: Tensor, step: float, threshold: float):
    """(areas (N, K), forwards): every pair and every step by itself, masked pixel by pixel."""
    areas, forwards = torch.full(targets.shape, math.nan, dtype=torch.float64), 0
    height, width = x.shape[2:]
    for image in range(len(x)):
        forwards += bool((targets[image] == 1).any())
        for label in range(K):
            cut = math.log(threshold / (1 - threshold))
            if targets[image, label] != 1 or model(x[image : image + 1])[0, label] < cut:
                continue
            full = upsample(heatmaps[image, label : label + 1], (height, width)).flatten().tolist()
            order = sorted(range(height * width), key=lambda pixel: -full[pixel])
            for number in range(1, math.ceil(1 / step) + 1):
                masked = x[image].clone()
                for pixel in order[: round(min(1, number * step) * height * width)]:
                    masked[:, pixel // width, pixel % width] = 0
                forwards += 1
                if model(masked.unsqueeze(0))[0, label] < cut:
                    areas[image, label] = min(1, number * step)
                    break
            else:
                areas[image, label] = 1
    return areas, forwards


def mean_model(x: Tensor) -> Tensor:
    """One class, positive from a mean of 0.5 up."""
    return (x.mean((1, 2, 3)) - 0.5).unsqueeze(1)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), batch_size=st.sampled_from([1, 3, 32]), step=st.sampled_from([0.005, 0.07, 0.25]))
def test_the_scan_is_one_forward_per_step_to_the_step(seed, batch_size, step):
    model, (x, heatmaps, targets) = Counter(small_model(seed)), case(seed)
    metric = MaskedOutArea(model, K, step=step, batch_size=batch_size)
    areas = metric.update(x, heatmaps, targets)
    expected, forwards = one_forward_per_step(model.model, x, heatmaps, targets, step, 0.5)
    torch.testing.assert_close(areas, expected, equal_nan=True, rtol=0, atol=1e-12)
    assert model.images == metric.forwards == forwards  # never a forward more
    assert model.calls <= forwards


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_bisection_needs_eight_forwards_and_agrees_where_its_assumption_holds(seed):
    generator = torch.Generator().manual_seed(seed)
    x, heatmaps = torch.rand(6, 1, 20, 10, generator=generator), torch.randn(6, 1, 5, 5, generator=generator)
    targets = torch.ones(6, 1)

    def falling(x: Tensor) -> Tensor:
        return (x.mean((1, 2, 3)) - 0.2).unsqueeze(1)  # each masked pixel lowers it

    scan, bisection = (MaskedOutArea(Counter(falling), 1, search=name) for name in ("scan", "bisection"))
    assert torch.equal(scan.update(x, heatmaps, targets), bisection.update(x, heatmaps, targets))
    assert bisection.forwards <= 6 * (1 + 8)
    assert scan.forwards > bisection.forwards


def test_bisection_finds_a_flip_where_masking_goes_to_and_fro():
    model, (x, heatmaps, targets) = small_model(3), case(3, images=12)
    areas = MaskedOutArea(model, K, search="bisection").update(x, heatmaps, targets)
    first = MaskedOutArea(model, K).update(x, heatmaps, targets)
    known = ~first.isnan()
    assert torch.equal(known, ~areas.isnan())
    assert bool((areas[known] >= first[known]).all())  # a flip, though not always the first


def test_by_hand():
    # Four pixels of 1, a quarter per step: means 0.75, 0.5, 0.25; 0.5 is not below the threshold.
    metric = MaskedOutArea(mean_model, 1, step=0.25)
    ones, heatmap = torch.ones(1, 1, 2, 2), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert metric.update(ones, heatmap, torch.ones(1, 1)).tolist() == [[0.75]]
    assert metric.compute().support.tolist() == [1]
    # The strongest pixel carries all: one step.
    image = torch.tensor([[[[0.0, 0.0], [0.0, 4.0]]]])
    assert MaskedOutArea(mean_model, 1, step=0.25).update(image, heatmap, torch.ones(1, 1)).tolist() == [[0.25]]
    assert MaskedOutArea(mean_model, 1, step=0.25).update(image, -heatmap, torch.ones(1, 1)).tolist() == [[1.0]]
    # A higher threshold flips sooner.
    areas = MaskedOutArea(mean_model, 1, thresholds=0.53, step=0.25).update(ones, heatmap, torch.ones(1, 1))
    assert areas.tolist() == [[0.5]]


def test_only_what_is_positive_counts():
    x, heatmap = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)]), torch.zeros(2, 1, 2, 2)
    metric = MaskedOutArea(mean_model, 1, step=0.25)
    metric.update(x, heatmap, torch.tensor([[0.0], [1.0]]))  # a false positive and a false negative
    assert metric.compute().support.tolist() == [0]
    assert math.isnan(metric.compute().macro)
    metric = MaskedOutArea(mean_model, 1, step=0.25, pairs="predicted")
    areas = metric.update(x, heatmap, torch.tensor([[0.0], [1.0]]))
    assert metric.compute().support.tolist() == [1]
    assert math.isnan(areas[1, 0])


def test_what_never_flips_counts_as_the_whole_image_or_not_at_all():
    def stubborn(x: Tensor) -> Tensor:
        return torch.ones(len(x), 1)

    for policy, support, value in (("full", 1, 1.0), ("skip", 0, math.nan)):
        for search in ("scan", "bisection"):
            metric = MaskedOutArea(stubborn, 1, never_flipped=policy, search=search)
            metric.update(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 2, 2), torch.ones(1, 1))
            result = metric.compute()
            assert result.support.tolist() == [support]
            assert result.macro == pytest.approx(value, nan_ok=True)
            assert result.never_flipped.tolist() == [1]
            assert result.settings["never_flipped"] == policy


def test_black_is_not_the_mean_grey():
    seen = []

    def model(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.ones(len(x), 1)

    for fill, masked in (("normalised", [0.0, 0.0]), ("raw", [-2.0, -0.5]), (7.0, [7.0, 7.0])):
        metric = MaskedOutArea(model, 1, step=1.0, fill=fill, mean=torch.tensor([0.5, 0.25]), std=(0.25, 0.5))
        metric.update(torch.ones(1, 2, 2, 2), torch.zeros(1, 1, 1, 1), torch.ones(1, 1))
        assert seen[-1][0, :, 0, 0].tolist() == masked
        assert metric.compute().settings["fill"] == (fill if isinstance(fill, str) else (fill,))


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 4))
def test_merged_parts_equal_the_whole_in_any_order(seed, cut):
    model, (x, heatmaps, targets) = small_model(seed), case(seed)
    whole, first, second = (MaskedOutArea(model, K, step=0.1) for _ in range(3))
    whole.update(x, heatmaps, targets)
    first.update(x[:cut], heatmaps[:cut], targets[:cut])
    for image in reversed(range(cut, 4)):
        second.update(x[image : image + 1], heatmaps[image : image + 1], targets[image : image + 1])
    merged, expected = second.merge(first).compute(), whole.compute()
    torch.testing.assert_close(merged.per_class, expected.per_class, equal_nan=True)
    assert torch.equal(merged.support, expected.support)
    assert merged.forwards == expected.forwards


def test_mirrors_change_nothing():
    x, heatmaps = torch.rand(5, 1, 8, 8), torch.randn(5, 1, 8, 8)
    areas = [MaskedOutArea(mean_model, 1).update(x.flip(d), heatmaps.flip(d), torch.ones(5, 1)) for d in ([], [2], [3])]
    assert all(torch.equal(areas[0].nan_to_num(), other.nan_to_num()) for other in areas[1:])


def test_bad_input_is_refused():
    for options, match in (
        ({"thresholds": [0.5]}, "thresholds"),
        ({"thresholds": 1.0}, "thresholds"),
        ({"step": 0}, "step=0"),
        ({"pairs": "all"}, "pairs='all'"),
        ({"never_flipped": "drop"}, "never_flipped='drop'"),
        ({"search": "golden"}, "search='golden'"),
    ):
        with pytest.raises(ConfigError, match=match):
            MaskedOutArea(small_model(0), K, **options)
    x, heatmaps, targets = case(0)
    for fill, match in (("raw", "mean and std"), ("grey", "fill='grey'"), (torch.zeros(3), "3 channels")):
        with pytest.raises(ConfigError, match=match):
            MaskedOutArea(small_model(0), K, fill=fill).update(x, heatmaps, targets)
    with pytest.raises(DataError, match="targets"):
        MaskedOutArea(small_model(0), K).update(x, heatmaps, targets[:, :1])
    with pytest.raises(DataError, match=r"gave \(4, 2\)"):
        MaskedOutArea(small_model(0), 3).update(x, heatmaps[:, [0, 1, 1]], torch.ones(4, 3))
    with pytest.raises(DataError, match="NaN or infinity"):
        MaskedOutArea(lambda x: torch.full((len(x), K), math.nan), K).update(x, heatmaps, torch.ones(4, K))
    with pytest.raises(ConfigError, match="merge"):
        MaskedOutArea(small_model(0), K).merge(MaskedOutArea(small_model(0), K, step=0.1))
