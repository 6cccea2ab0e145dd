from __future__ import annotations

import pytest
import torch
from torch import nn

from pylon_zoo.models.heads import ConvHead, MlpHead
from pylon_zoo.models.layers import NORMS, BatchNorm2d, ConvNormReLU, GroupNorm, halve, resize_like


def test_batch_norm_is_pytorchs_where_there_are_values():
    ours, theirs = BatchNorm2d(3).train(), nn.BatchNorm2d(3).train()
    x = torch.randn(2, 3, 1, 1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=0, atol=0)
    x = torch.randn(1, 3, 1, 2)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=0, atol=0)


def test_batch_norm_of_one_value_uses_its_running_statistics_and_leaves_them():
    norm = BatchNorm2d(2, eps=0.0).train()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    x = torch.tensor([5.0, 5.0]).view(1, 2, 1, 1).requires_grad_()
    out = norm(x)
    assert out.flatten().tolist() == [2.0, 1.0]  # (5 - 1) / 2, (5 - 2) / 3
    out.sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([1 / 2, 1 / 3])
    assert norm.weight.grad.tolist() == [2.0, 1.0]
    assert norm.running_mean.tolist() == [1.0, 2.0]
    assert norm.running_var.tolist() == [4.0, 9.0]


@pytest.mark.parametrize(("channels", "groups"), [(128, 32), (1, 1), (48, 16), (7, 1), (256, 32)])
def test_group_norm_divides_the_channels(channels: int, groups: int):
    assert GroupNorm(channels).num_groups == groups


def test_group_norm_is_pytorchs_where_there_are_values():
    x = torch.randn(1, 64, 1, 1)
    torch.testing.assert_close(GroupNorm(64)(x), nn.GroupNorm(32, 64)(x), rtol=0, atol=0)
    x = torch.randn(2, 1, 3, 2)
    torch.testing.assert_close(GroupNorm(1)(x), nn.GroupNorm(1, 1)(x), rtol=0, atol=0)


@pytest.mark.parametrize("batch", [1, 3])
def test_group_norm_of_one_value_is_affine(batch: int):
    norm = GroupNorm(32)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 1.0)
    x = torch.randn(batch, 32, 1, 1)
    torch.testing.assert_close(norm(x), 2 * x + 1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_conv_norm_relu_keeps_the_size(norm: str, kernel: int):
    out = ConvNormReLU(4, 6, kernel, norm)(torch.randn(2, 4, 5, 3))
    assert out.shape == (2, 6, 5, 3)
    assert (out >= 0).all()


def test_halve_rounds_up():
    x = torch.arange(15.0).view(1, 1, 3, 5)
    assert halve(x)[0, 0].tolist() == [[6.0, 8.0, 9.0], [11.0, 13.0, 14.0]]
    assert halve(torch.tensor([[[[7.0]]]])).tolist() == [[[[7.0]]]]
    even = torch.randn(1, 2, 8, 6)
    assert torch.equal(halve(even), nn.functional.max_pool2d(even, 2))


def test_resize_like_aligns_corners():
    x = torch.tensor([[[[0.0, 3.0]]]])
    assert resize_like(x, torch.zeros(1, 1, 1, 4))[0, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert resize_like(x, torch.zeros(1, 9, 1, 2)) is x
    assert resize_like(torch.tensor([[[[2.0]]]]), torch.zeros(1, 1, 2, 3)).eq(2).all()


def test_heads():
    maps = torch.randn(2, 8, 5, 4)
    assert ConvHead(8, 3)(maps).shape == ConvHead(8, 3, kernel=3)(maps).shape == (2, 3, 5, 4)
    assert MlpHead(8, 3, layers=3)(torch.randn(2, 8)).shape == (2, 3)
