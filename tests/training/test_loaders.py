"""Order, seeds and last batches."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.training.loaders import seed_epoch, training_loader, validation_loader


def order(dataset, seed: int, epoch: int, workers: int = 0) -> list[str]:
    """The paths in the order of an epoch."""
    generator = torch.Generator()
    loader = training_loader(dataset, 4, generator, workers)
    seed_epoch(generator, seed, epoch)
    return [path for batch in loader for path in batch.paths]


def test_an_epochs_order_depends_on_seed_and_epoch_only(spots):
    data = spots(count=12)
    first = order(data, 0, 0)
    torch.rand(5)
    assert order(data, 0, 0) == first
    assert order(data, 0, 1) != first
    assert order(data, 1, 0) != first
    assert order(data, 0, 0, workers=2) == first
    assert sorted(first) == sorted(data[index].path for index in range(12))


class Noise:
    """A transform that adds noise from PyTorch's global generator, as augmentations do."""

    def __call__(self, sample):
        return type(sample)(sample.image + torch.rand(()), sample.target, sample.boxes, sample.patient, sample.path)


@pytest.mark.parametrize("workers", [0, 2])
def test_augmentation_is_reproducible_and_differs_between_epochs(spots, workers):
    data = spots(count=8)
    data.transform = Noise()

    def images(epoch: int) -> torch.Tensor:
        generator = torch.Generator()
        loader = training_loader(data, 4, generator, workers)
        seed_epoch(generator, 3, epoch)
        return torch.cat([batch.images for batch in loader])

    assert torch.equal(images(0), images(0))
    assert images(0).sum() != images(1).sum()


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(9, 4, [4, 4]), (10, 4, [4, 4, 2]), (1, 4, [1]), (3, 1, [1, 1, 1]), (8, 4, [4, 4])],
)
def test_only_a_lone_last_image_is_left_out(spots, count, batch_size, sizes):
    loader = training_loader(spots(count=count), batch_size, torch.Generator())
    assert [len(batch) for batch in loader] == sizes


def test_validation_sees_every_image_in_order(spots):
    data = spots("val", count=9)
    paths = [path for batch in validation_loader(data, 4) for path in batch.paths]
    assert paths == [f"val/{index}.png" for index in range(9)]
