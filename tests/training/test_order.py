"""Who trains on which image, in which order, augmented how."""

from __future__ import annotations

import random
from itertools import chain

import numpy as np
import pytest
import torch

from pylon_zoo.errors import ConfigError, DataError
from pylon_zoo.training.order import EpochOrder, EpochPlan, SeededSamples


@pytest.mark.parametrize(
    ("images", "batch_size", "processes", "accumulate", "sizes"),
    [
        (9, 4, 1, 1, [4, 4]),  # a lone last image is left out
        (10, 4, 1, 1, [4, 4, 2]),
        (1, 4, 1, 1, [1]),  # but not when it is all there is
        (3, 1, 1, 1, [1, 1, 1]),
        (8, 4, 1, 1, [4, 4]),
        (19, 8, 2, 1, [8, 8]),  # one process would have a single image
        (20, 8, 2, 1, [8, 8, 4]),
        (21, 8, 2, 1, [8, 8, 5]),
        (23, 8, 2, 2, [8, 8]),
        (7, 4, 2, 2, [4]),  # parts of one image are whole ones here, but one would be empty
        (3, 8, 2, 1, [3]),
    ],
)
def test_sizes_of_steps(images, batch_size, processes, accumulate, sizes):
    plan = EpochPlan(images, batch_size, processes, accumulate)
    assert [plan.size(step) for step in range(plan.steps)] == sizes
    for step, size in enumerate(sizes):
        parts = [part for process in range(processes) for part in plan.share(step, process)]
        places = [place for part in parts for place in part]
        assert places == list(range(step * batch_size, step * batch_size + size)), "each place once, in order"
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert min(map(len, parts)) > 0


def test_a_batch_that_does_not_divide_is_refused_with_sizes_that_do():
    with pytest.raises(ConfigError, match=r"loop\.batch_size = 10 .*2 process.*3 part.*Take 6 or 12"):
        EpochPlan(100, 10, processes=2, accumulate=3)
    with pytest.raises(ConfigError, match="Take 4,"):
        EpochPlan(100, 3, processes=4)
    with pytest.raises(DataError, match="3 training images are too few"):
        EpochPlan(3, 4, processes=4)


def indices(order: EpochOrder, epoch: int, step: int = 0) -> list[list[int]]:
    order.begin(epoch, step)
    batches = list(order)
    assert len(batches) == len(order)
    assert {place[0] for batch in batches for place in batch} == {epoch}
    return [[index for _, index in batch] for batch in batches]


def test_the_order_depends_on_seed_and_epoch_and_not_on_the_number_of_processes():
    plan = EpochPlan(22, 8)
    first = indices(EpochOrder(plan, seed=0), 0)
    assert sorted(chain(*first)) == list(range(22))
    assert indices(EpochOrder(plan, seed=0), 0) == first
    assert indices(EpochOrder(plan, seed=0), 1) != first
    assert indices(EpochOrder(plan, seed=1), 0) != first
    assert indices(EpochOrder(plan, seed=0), 0, step=2) == first[2:], "where it was interrupted"

    shared = EpochPlan(22, 8, processes=2, accumulate=2)
    halves = [indices(EpochOrder(shared, seed=0, process=process), 0) for process in range(2)]
    joined = [[*chain(*halves[0][part : part + 2]), *chain(*halves[1][part : part + 2])] for part in (0, 2)]
    assert joined == first[:2]


class Draws:
    """A transform that draws from every generator an augmentation could use."""

    def __call__(self, sample):
        drawn = torch.rand(()) + random.random() + np.random.rand()
        return type(sample)(sample.image + drawn, sample.target, sample.boxes, sample.patient, sample.path)


def test_augmentation_depends_on_seed_epoch_and_index_and_leaves_the_generators_alone(spots):
    data = spots(count=4)
    data.transform = Draws()
    samples = SeededSamples(data, seed=3)
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = torch.rand(()), random.random(), np.random.rand()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    first = samples[0, 1].image
    assert (torch.rand(()), random.random(), np.random.rand()) == expected
    assert torch.equal(samples[0, 1].image, first)
    others = [samples[1, 1], SeededSamples(data, seed=4)[0, 1]]
    assert all(not torch.equal(other.image, first) for other in others)
