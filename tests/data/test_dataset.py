from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Sample, collate


class Squares(LabelledDataset):
    """Image i holds i; the label is whether i is odd."""

    name = "squares"
    classes = ("odd",)

    def __len__(self) -> int:
        return 5

    def load(self, index: int) -> Sample:
        return Sample(torch.full((1, 2, 2), float(index)), self.targets()[index], patient=str(index // 2))

    def targets(self) -> torch.Tensor:
        return (torch.arange(5) % 2).float()[:, None]

    @property
    def patients(self) -> list[str]:
        return [str(index // 2) for index in range(5)]


def test_indexing_counts_from_both_ends():
    data = Squares("train")
    assert data[3].image[0, 0, 0] == 3
    assert data[-1].image[0, 0, 0] == 4
    assert data[-5].image[0, 0, 0] == 0


@pytest.mark.parametrize("index", [5, -6])
def test_out_of_range_says_how_many_there_are(index):
    with pytest.raises(IndexError, match=rf"squares/train has 5 images; there is no image {index}"):
        Squares("train")[index]


def test_transform_sees_every_sample():
    data = Squares("val", transform=lambda sample: replace(sample, image=-sample.image))
    assert [sample.image[0, 0, 0].item() for sample in data] == [0, -1, -2, -3, -4]


def test_targets_and_patients_line_up_with_samples():
    data = Squares("test")
    assert torch.equal(torch.stack([sample.target for sample in data]), data.targets())
    assert [sample.patient for sample in data] == data.patients


def test_a_loader_makes_batches():
    batches = list(DataLoader(Squares("train"), batch_size=2, collate_fn=collate))
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_repr_says_what_it_holds():
    assert repr(Squares("train")) == "Squares('train', 5 images, 1 classes)"


def test_the_base_cannot_be_used_alone():
    with pytest.raises(TypeError, match="abstract"):
        LabelledDataset("train")
