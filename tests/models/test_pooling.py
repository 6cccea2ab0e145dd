from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import UnknownNameError
from pylon_zoo.models.pooling import POOLINGS, build_pooling

MAPS = torch.tensor([[[[0.0, 3.0], [1.0, 2.0]], [[-4.0, -1.0], [-2.0, -1.0]]]])


@pytest.mark.parametrize(("name", "expected"), [("max", [[3.0, -1.0]]), ("avg", [[1.5, -2.0]])])
def test_values(name: str, expected: list[list[float]]):
    assert build_pooling(name)(MAPS).tolist() == expected


@pytest.mark.parametrize("name", POOLINGS)
def test_shapes_and_gradients(name: str):
    maps = torch.randn(2, 3, 5, 4, requires_grad=True)
    pooled = build_pooling(name)(maps)
    assert pooled.shape == (2, 3)
    pooled.sum().backward()
    torch.testing.assert_close(maps.grad.sum(dim=(2, 3)), torch.ones(2, 3))


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
