from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.pooling import POOLINGS, build_pooling

MAPS = torch.tensor([[[[0.0, 3.0], [1.0, 2.0]], [[-4.0, -1.0], [-2.0, -1.0]]]])


@pytest.mark.parametrize(("name", "expected"), [("max", [[3.0, -1.0]]), ("avg", [[1.5, -2.0]])])
def test_values(name: str, expected: list[list[float]]):
    assert build_pooling(name)(MAPS).tolist() == expected


# Pooling → the same in NumPy's float64, from the definitions in the papers: maps (N, C, h, w) to (N, C).
REFERENCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max": lambda maps: maps.max(axis=(2, 3)),
    "avg": lambda maps: maps.mean(axis=(2, 3)),
    "topk": lambda maps: np.sort(maps.reshape(*maps.shape[:2], -1))[..., -4:].mean(axis=-1),
    "lse": lambda maps: np.log(np.exp(10 * maps).mean(axis=(2, 3))) / 10,
    "lse_lba": lambda maps: np.log(np.exp((5 + np.exp(0)) * maps).mean(axis=(2, 3))) / (5 + np.exp(0)),
    "mil": lambda maps: _logit(1 - np.prod(0.02 * (1 - _sigmoid(maps)) + 0.98, axis=(2, 3))),
}
OPTIONS: dict[str, dict[str, Any]] = {"topk": {"k": 4}}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


@pytest.mark.parametrize("name", POOLINGS)
def test_float64_reference(name: str):
    maps = np.random.default_rng(0).normal(size=(2, 3, 20, 20)) * 3
    pooled = build_pooling(name, **OPTIONS.get(name, {}))(torch.from_numpy(maps))
    np.testing.assert_allclose(pooled.detach().numpy(), REFERENCES[name](maps), rtol=1e-9)
    single = build_pooling(name, **OPTIONS.get(name, {}))(torch.from_numpy(maps).float())
    np.testing.assert_allclose(single.detach().numpy(), REFERENCES[name](maps), rtol=1e-4)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [50.0, 1000.0])
def test_extreme_logits_stay_finite(name: str, dtype: torch.dtype, scale: float):
    shape = (1, 1, 64, 64)
    for maps in (torch.full(shape, scale), torch.full(shape, -scale), torch.linspace(-scale, scale, 4096).view(shape)):
        maps = maps.to(dtype).requires_grad_()
        pooled = build_pooling(name)(maps)
        pooled.sum().backward()
        assert pooled.isfinite().all()
        assert maps.grad.isfinite().all()


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_are_those_of_finite_differences(name: str):
    maps = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(build_pooling(name).double(), (maps,))


@pytest.mark.parametrize("name", POOLINGS)
def test_one_cell_is_its_own_pooling(name: str):
    maps = torch.randn(2, 3, 1, 1)
    expected = maps[..., 0, 0]
    if name == "mil":  # one patch of many: p becomes 0.02 p
        expected = torch.logit(0.02 * expected.sigmoid())
    torch.testing.assert_close(build_pooling(name)(maps), expected)


@pytest.mark.parametrize("name", sorted(set(POOLINGS) - {"mil"}))
def test_a_shifted_map_is_pooled_to_a_shifted_logit(name: str):
    maps = torch.randn(2, 3, 5, 4, requires_grad=True)
    pooled = build_pooling(name)(maps)
    assert pooled.shape == (2, 3)
    pooled.sum().backward()
    torch.testing.assert_close(maps.grad.sum(dim=(2, 3)), torch.ones(2, 3))


@pytest.mark.parametrize("value", [-50.0, -5.0, 5.0, 50.0])
def test_mil_never_stops_learning(value: float):
    maps = torch.full((1, 1, 20, 20), value, requires_grad=True)
    build_pooling("mil")(maps).sum().backward()
    assert (maps.grad > 0).all()


def test_sharpness_moves_lse_from_average_to_maximum():
    soft, sharp = build_pooling("lse", r=1e-3)(MAPS), build_pooling("lse", r=100.0)(MAPS)
    torch.testing.assert_close(soft, build_pooling("avg")(MAPS), atol=1e-2, rtol=0)
    torch.testing.assert_close(sharp, build_pooling("max")(MAPS), atol=2e-2, rtol=0)


def test_lse_lba_learns_its_sharpness():
    pooling = build_pooling("lse_lba", r0=0.0)
    pooling(MAPS).sum().backward()
    assert pooling.beta.grad > 0  # sharper is higher
    assert [name for name, _ in pooling.named_parameters()] == ["beta"]


@pytest.mark.parametrize(("k", "cells"), [(1, 1), (3, 3), (100, 20), (0.25, 5), (0.001, 1)])
def test_topk_takes_a_number_or_a_share(k: float, cells: int):
    maps = torch.arange(20.0).view(1, 1, 4, 5)
    expected = maps.flatten()[-cells:].mean()
    torch.testing.assert_close(build_pooling("topk", k=k)(maps), expected.view(1, 1))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("topk", {"k": 0}),
        ("topk", {"k": 1.5}),
        ("topk", {"k": True}),
        ("topk", {"k": -1}),
        ("lse", {"r": 0}),
        ("lse", {"r": float("inf")}),
        ("lse", {"r": float("nan")}),
        ("lse_lba", {"r0": -1}),
        ("mil", {"floor": 1.0}),
        ("mil", {"floor": 0}),
    ],
)
def test_impossible_options(name: str, options: dict[str, Any]):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}=.* is not valid"):
        build_pooling(name, **options)


def test_unknown_options():
    with pytest.raises(UnknownNameError, match=r"Unknown option 'r1' .* of lse pooling. Did you mean 'r'.*takes r"):
        build_pooling("lse", r1=3)
    with pytest.raises(UnknownNameError, match=r"of max pooling\. It takes none"):
        build_pooling("max", k=3)


def test_options_are_kept_with_the_model():
    model = build_model("cam_test_resnet", 2, pooling="topk", pooling_kwargs={"k": 3})
    assert model.model_args["pooling_kwargs"] == {"k": 3}
    assert build_model(model.architecture, 2, **model.model_args).pooling.k == 3
    model.reset_classifier(2, global_pool="lse")
    assert "pooling_kwargs" not in model.model_args
    assert build_model(model.architecture, 2, **model.model_args).pooling.r == 10


def test_equal_maxima_share_the_gradient():
    maps = MAPS.clone().requires_grad_()
    build_pooling("max")(maps).sum().backward()
    assert maps.grad[0, 0].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert maps.grad[0, 1].tolist() == [[0.0, 0.5], [0.0, 0.5]]


@pytest.mark.parametrize("name", ["maxx", "", None, 3])
def test_unknown_pooling(name: object):
    with pytest.raises(UnknownNameError, match=r"Unknown pooling .* Valid for pooling=: max, avg"):
        build_pooling(name)


def test_misspelt_pooling_suggests():
    with pytest.raises(UnknownNameError, match="Did you mean 'max'"):
        build_pooling("maxx")
