from __future__ import annotations

import math

import pytest
import torch

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.labels import RelabelledDataset, uncertain_value
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, UnknownNameError

NAN = math.nan
TARGETS = torch.tensor([[1, 0, 0], [0, NAN, 1], [1, NAN, 0], [0, 0, NAN]])


class Three(LabelledDataset):
    name, classes = "three", ("Mass", "Nodule", "Edema")

    def __len__(self):
        return len(TARGETS)

    def load(self, index):
        masks = torch.zeros(3, 4, 4, dtype=torch.bool)
        masks[0, 0], masks[1, :, 0] = True, True
        boxes = torch.tensor([[0, 0, 0, 4, 1], [1, 0, 0, 1, 4], [2, 1, 1, 2, 2.0]])
        return Sample(torch.zeros(1, 4, 4), TARGETS[index], boxes, f"p{index}", masks=masks)

    def targets(self):
        return TARGETS.clone()

    @property
    def patients(self):
        return [f"p{index}" for index in range(len(TARGETS))]


@pytest.fixture
def data() -> RelabelledDataset:
    return RelabelledDataset(Three("val"), {"Edema": ["Edema"], "Lesion": ["Mass", "Nodule"], "Hernia": []})


def test_present_beats_unknown_beats_absent(data):
    expected = torch.tensor([[0, 1, NAN], [1, NAN, NAN], [0, 1, NAN], [NAN, 0, NAN]])
    torch.testing.assert_close(data.targets(), expected, equal_nan=True)
    torch.testing.assert_close(torch.stack([one.target for one in data]), expected, equal_nan=True)


def test_boxes_and_masks_follow_their_class(data):
    sample = data[0]
    assert sample.boxes.tolist() == [[0, 1, 1, 2, 2], [1, 0, 0, 4, 1], [1, 0, 0, 1, 4]]
    assert sample.masks.sum(dim=(1, 2)).tolist() == [0, 7, 0]
    assert RelabelledDataset(Three("val"), {"Hernia": []})[0].boxes.shape == (0, 5)


def test_the_source_is_left_as_it_is(data):
    assert (data.name, data.split, data.patients[1], len(data)) == ("three", "val", "p1", 4)
    torch.testing.assert_close(data.source.targets(), TARGETS, equal_nan=True)
    assert data.source[0].boxes[0, 0] == 0
    assert repr(data) == "RelabelledDataset('val', 4 images, 3 classes)"


def test_mistakes():
    with pytest.raises(UnknownNameError, match=r"'Lump' is to be made of 'Mas'.* Did you mean 'Mass'"):
        RelabelledDataset(Three("val"), {"Lump": ["Mas"]})
    with pytest.raises(ConfigError, match="at least one class"):
        RelabelledDataset(Three("val"), {})
    with pytest.raises(ConfigError, match=r"write \['Mass'\]"):
        RelabelledDataset(Three("val"), {"Lump": "Mass"})
    with pytest.raises(UnknownNameError, match=r"Unknown policy 'zero'.*Did you mean 'zeros'"):
        uncertain_value("zero")


def test_policies():
    assert (uncertain_value("ones"), uncertain_value("zeros")) == (1, 0)
    assert math.isnan(uncertain_value("ignore"))
