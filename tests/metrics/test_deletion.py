"""Deletion and insertion: by hand, and against a loop over images and steps written as RISE's."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.metrics import Deletion, Insertion
from pylon_zoo.metrics.deletion import blur

K = 2


def small_model(seed: int) -> nn.Module:
    """A network whose logits depend on every pixel."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.GELU(), nn.Flatten(), nn.Linear(4 * 9 * 8, K)).eval()


def case(seed: int, images: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 2, 9, 8), heatmaps of the same size without ties, targets (N, 2) with unknowns."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.tensor([0.0, 1.0, 1.0, math.nan])[torch.randint(0, 4, (images, K), generator=generator)]
    x = torch.randn(images, 2, 9, 8, generator=generator)
    return x, torch.randn(images, K, 9, 8, generator=generator), targets


def looped(model, x: Tensor, heatmaps: Tensor, targets: Tensor, pixels: int, insertion: bool, substrate) -> Tensor:
    """Areas (N, K): one pair at a time, changing `pixels` pixels per step, as in RISE's CausalMetric."""
    areas = torch.full(targets.shape, math.nan, dtype=torch.float64)
    for image in range(len(x)):
        for label in range(K):
            if targets[image, label] != 1:
                continue
            start, finish = x[image : image + 1].clone(), substrate(x[image : image + 1])
            if insertion:
                start, finish = finish.clone(), start
            order = heatmaps[image, label].flatten().argsort(descending=True)
            scores = []
            for step in range(math.ceil(72 / pixels) + 1):
                scores.append(float(model(start)[0, label].sigmoid()))
                now = order[pixels * step : pixels * (step + 1)]
                start.flatten(2)[:, :, now] = finish.flatten(2)[:, :, now]
            areas[image, label] = (sum(scores) - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)
    return areas


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    pixels=st.sampled_from([1, 6, 24]),
    insertion=st.booleans(),
    blurred=st.booleans(),
    batch_size=st.sampled_from([3, 32]),
)
def test_agrees_with_the_loop(seed, pixels, insertion, blurred, batch_size):
    model, (x, heatmaps, targets) = small_model(seed), case(seed)
    kind = Insertion if insertion else Deletion
    substrate = "blur" if blurred else "normalised"
    metric = kind(model, K, step=pixels / 72, substrate=substrate, batch_size=batch_size)
    with torch.no_grad():
        areas = metric.update(x, heatmaps, targets)
        expected = looped(model, x, heatmaps, targets, pixels, insertion, blur if blurred else torch.zeros_like)
    torch.testing.assert_close(areas, expected, equal_nan=True, rtol=1e-5, atol=1e-6)
    result = metric.compute()
    torch.testing.assert_close(result.per_class, expected.nanmean(dim=0), equal_nan=True, rtol=1e-5, atol=1e-6)
    assert torch.equal(result.support, (targets == 1).sum(0))


def sharp(x: Tensor) -> Tensor:
    """Class 0 is certain above a mean of 0.5, class 1 below."""
    logits = (x.mean((1, 2, 3)) - 0.5) * 1e4
    return torch.stack([logits, -logits], dim=1)


def test_by_hand():
    image, heatmap = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]]]]), torch.tensor([[[[9.0, 3.0], [2.0, 1.0]]]])
    heatmaps, targets = heatmap.expand(1, 2, 2, 2), torch.tensor([[1.0, 0.0]])
    deletion, insertion = (kind(sharp, 2, step=0.25, substrate="normalised") for kind in (Deletion, Insertion))
    assert deletion.update(image, heatmaps, targets)[0, 0] == pytest.approx(1 / 8)  # 1, 0, 0, 0, 0
    assert insertion.update(image, heatmaps, targets)[0, 0] == pytest.approx(7 / 8)  # 0, 1, 1, 1, 1
    assert deletion.update(image, -heatmaps, targets)[0, 0] == pytest.approx(7 / 8)  # the wrong way round
    assert deletion.compute().per_class[0] == pytest.approx(0.5)
    assert deletion.compute().support.tolist() == [2, 0]


def test_the_top_class_as_rise_takes_it():
    image, heatmaps = torch.zeros(1, 1, 2, 2), torch.randn(1, 2, 2, 2)
    metric = Deletion(sharp, 2, step=0.5, pairs="top", activation="softmax")
    areas = metric.update(image, heatmaps, torch.full((1, 2), math.nan))
    assert math.isnan(areas[0, 0])
    assert areas[0, 1] == 1  # a dark image stays dark
    assert metric.compute().support.tolist() == [0, 1]


def test_blur_keeps_the_mean_inside_and_darkens_the_rim():
    picture = blur(torch.ones(1, 2, 30, 30))
    assert picture[0, 0, 15, 15] == pytest.approx(1, abs=1e-5)
    assert picture[0, 1, 0, 0] < 0.5
    scipy = import_module("scipy.ndimage")
    image = torch.zeros(21, 21)
    image[10, 10] = 1
    theirs = torch.from_numpy(scipy.gaussian_filter(image.numpy(), 5, radius=5, mode="constant"))
    torch.testing.assert_close(blur(image.view(1, 1, 21, 21))[0, 0], theirs, rtol=1e-4, atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 4), vertical=st.booleans())
def test_parts_merge_and_order_does_not_matter(seed, cut, vertical):
    model, (x, heatmaps, targets) = small_model(seed), case(seed)
    whole, first, second = (Insertion(model, K, step=0.1) for _ in range(3))
    whole.update(x, heatmaps, targets)
    first.update(x[:cut], heatmaps[:cut], targets[:cut])
    for image in reversed(range(cut, 4)):
        second.update(x[image : image + 1], heatmaps[image : image + 1], targets[image : image + 1])
    merged, expected = second.merge(first).compute(), whole.compute()
    torch.testing.assert_close(merged.per_class, expected.per_class, equal_nan=True, rtol=1e-5, atol=1e-6)
    assert torch.equal(merged.support, expected.support)
    mirror = 2 if vertical else 3
    mirrored = Insertion(lambda y: model(y.flip(mirror)), K, step=0.1)
    mirrored.update(x.flip(mirror), heatmaps.flip(mirror), targets)
    torch.testing.assert_close(mirrored.compute().per_class, expected.per_class, equal_nan=True, rtol=1e-5, atol=1e-6)


def test_bad_input_is_refused():
    for options, match in (
        ({"step": 0}, "step=0"),
        ({"activation": None}, "activation=None"),
        ({"pairs": "all"}, "pairs='all'"),
    ):
        with pytest.raises(ConfigError, match=match):
            Deletion(sharp, 2, **options)
    x, heatmaps, targets = case(0)
    with pytest.raises(ConfigError, match="fill='grey'"):
        Deletion(sharp, 2, substrate="grey").update(x, heatmaps, targets)
    with pytest.raises(DataError, match="targets"):
        Deletion(sharp, 2).update(x, heatmaps, targets[:2])
    with pytest.raises(ConfigError, match="merge"):
        Deletion(sharp, 2).merge(Insertion(sharp, 2))
