"""Graphs of a network by size, dtype and device; what stands in for CUDA here keeps static memory as a graph does."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from pylon_zoo.deployment.cuda_graphs import SIZES, CudaGraph, Graphs
from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.layers import keeping_weights, kept_weights

LAYOUT: dict[str, Any] = {"dtype": torch.float32, "memory_format": torch.channels_last}


class Static:
    """A graph in which the network works in the same memory at every call."""

    made = 0

    def __init__(self, run: Any, x: Tensor, layout: dict[str, Any]) -> None:
        type(self).made += 1
        self.images = torch.empty_like(x).to(**layout)
        self.features = run(self.images.copy_(x))
        self.run, self.finished = run, False

    def replay(self, x: Tensor) -> Tensor:
        self.features.copy_(self.run(self.images.copy_(x)))
        return self.features.clone()

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def graphs() -> Graphs:
    Static.made = 0
    return Graphs(twice, LAYOUT, Static)


def twice(x: Tensor) -> Tensor:
    return 2 * x


def test_a_graph_serves_one_size_dtype_and_device(graphs: Graphs):
    for shape, dtype in [((1, 3, 8, 8), torch.float32), ((2, 3, 8, 8), torch.float32), ((1, 3, 8, 8), torch.float64)]:
        for _ in range(2):
            x = torch.randn(shape, dtype=dtype)
            assert torch.equal(graphs(x), 2 * x.float())
    graphs(torch.zeros(1, 3, 8, 8, device="meta"))
    assert Static.made == len(graphs) == 4


def test_outputs_are_the_callers_own(graphs: Graphs):
    x = torch.randn(1, 3, 8, 8)
    first = graphs(x)
    graphs(-x)
    assert torch.equal(first, 2 * x)


def test_the_last_used_sizes_are_kept(graphs: Graphs):
    oldest = graphs.capture(graphs.run, torch.zeros(1, 3, 1, 1), LAYOUT)
    graphs.capture = lambda run, x, layout: oldest if x.shape[2] == 1 else Static(run, x, layout)
    for side in (2, 1, *range(3, 3 + SIZES - 2), 2, 100):
        graphs(torch.zeros(1, 3, side, side if side != 1 else 1))
    assert len(graphs) == SIZES
    assert oldest.finished  # its memory went only then
    made = Static.made
    graphs(torch.zeros(1, 3, 2, 2))
    assert Static.made == made


def test_threads_do_not_meet(graphs: Graphs):
    images = [torch.full((1, 3, 64, 64), float(index)) for index in range(64)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(graphs, images))
    assert all(torch.equal(one, 2 * x) for one, x in zip(found, images, strict=True))
    assert Static.made == 1


def test_gradients_and_autocast_go_the_usual_way(graphs: Graphs):
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    graphs(x).sum().backward()
    assert torch.equal(x.grad, torch.full_like(x, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        graphs(x.detach())
    assert len(graphs) == 0
    with torch.inference_mode():
        assert torch.equal(graphs(x), 2 * x)
    assert torch.equal(graphs(x.detach()), 2 * x.detach())
    assert len(graphs) == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_begin_without_graphs(again: Any, graphs: Graphs):
    x = torch.randn(1, 3, 8, 8)
    graphs(x)
    twin = again(graphs)
    assert len(twin) == 0
    assert torch.equal(twin(x), 2 * x)
    assert len(graphs) == len(twin) == 1


def test_an_optimized_model_runs_by_them_and_forgets_them_when_it_moves():
    model = build_model("pylon_test_resnet", 3).eval()
    fast, plain = optimize(model), optimize(model)
    fast.finish(torch.float32, True, False, mode="latency")
    graphs = fast._graphs
    assert graphs is not None
    graphs.capture = Static
    for size in ((64, 64), (75, 101)):
        x = torch.randn(2, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(fast.forward_with_heatmap(x), plain.forward_with_heatmap(x))
    assert len(graphs) == 2
    fast.to("cpu")
    assert len(graphs) == 0


def test_images_on_a_processor_are_refused():
    with pytest.raises(ConfigError, match="images are on cpu, but mode='latency' is for a GPU"):
        CudaGraph(twice, torch.zeros(1, 3, 8, 8), LAYOUT)


def test_a_model_on_a_processor_is_refused():
    with pytest.raises(ConfigError, match="model is on cpu: move it to a GPU before"):
        optimize(build_model("pylon_test_resnet", 3), mode="latency")


def test_a_mode_that_is_none():
    with pytest.raises(ConfigError, match="mode="):
        optimize(build_model("pylon_test_resnet", 3), mode="fast")


def test_weights_live_as_long_as_their_owner_says():
    key = (3, 6, (-0.25, 0.5), torch.float32, torch.device("cpu"))
    shared = kept_weights(*key)
    kept: dict[Any, Tensor] = {}
    with keeping_weights(kept):
        mine = kept_weights(*key)
        assert kept_weights(*key) is mine is kept[key]
    assert mine is not shared is kept_weights(*key)
    assert torch.equal(mine, shared)
