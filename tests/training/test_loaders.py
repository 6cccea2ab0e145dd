"""Batches that do not depend on who loads them."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.training.loaders import training_loader, validation_loader
from pylon_zoo.training.order import EpochPlan


class Noise:
    """A transform that adds noise from PyTorch's global generator, as augmentations do."""

    def __call__(self, sample):
        return type(sample)(sample.image + torch.rand(()), sample.target, sample.boxes, sample.patient, sample.path)


@pytest.fixture
def noisy(spots):
    data = spots(count=10)
    data.transform = Noise()
    return data


def test_images_and_augmentation_do_not_depend_on_the_workers_nor_on_what_was_loaded_before(noisy):
    def epochs(numbers: list[int], workers: int) -> list[tuple[list[str], torch.Tensor]]:
        loader = training_loader(noisy, EpochPlan(10, 4), seed=0, workers=workers)
        seen = []
        for number in numbers:
            loader.batch_sampler.begin(number)
            batches = list(loader)
            seen.append(([path for batch in batches for path in batch.paths], torch.cat([b.images for b in batches])))
        return seen

    first, second = epochs([0, 1], workers=0)
    assert first[0] != second[0]
    assert sorted(first[0]) == sorted(second[0]) == sorted(noisy[index].path for index in range(10))
    for again in (epochs([0, 1], workers=2)[1], epochs([1], workers=0)[0]):
        assert again[0] == second[0]
        assert torch.equal(again[1], second[1])


def test_asking_for_batches_draws_nothing(noisy):
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    list(training_loader(noisy, EpochPlan(10, 4), seed=0))
    assert torch.rand(()) == expected


def test_validation_sees_every_image_once(spots):
    data = spots("val", count=9)
    paths = [path for batch in validation_loader(data, 4) for path in batch.paths]
    assert paths == [f"val/{index}.png" for index in range(9)]
    shares = [validation_loader(data, 4, process=process, processes=2) for process in range(2)]
    assert [len(batch) for share in shares for batch in share] == [4, 1, 4], "whole batches, as with one process"
    assert [share.batch_sampler.indices for share in shares] == [[0, 1, 2, 3, 8], [4, 5, 6, 7]]
