from __future__ import annotations

import pytest
import torch

from pylon_zoo.data.sample import Sample, collate, no_boxes
from pylon_zoo.errors import DataError


def sample(value: float, boxes: int = 0, size: int = 4, classes: int = 2) -> Sample:
    return Sample(
        torch.full((1, size, size), value),
        torch.full((classes,), value),
        torch.full((boxes, 5), value) if boxes else no_boxes(),
        patient=f"patient-{value}",
        path=f"file-{value}.png",
    )


def test_collate_keeps_order_and_ragged_boxes():
    batch = collate([sample(1.0, boxes=2), sample(0.0), sample(3.0, boxes=1)])
    assert batch.images.shape == (3, 1, 4, 4)
    assert batch.images[:, 0, 0, 0].tolist() == [1.0, 0.0, 3.0]
    assert batch.targets.tolist() == [[1, 1], [0, 0], [3, 3]]
    assert [tuple(boxes.shape) for boxes in batch.boxes] == [(2, 5), (0, 5), (1, 5)]
    assert batch.patients == ["patient-1.0", "patient-0.0", "patient-3.0"]
    assert batch.paths[2] == "file-3.0.png"
    assert len(batch) == 3


def test_collate_keeps_unknown_labels():
    unknown = Sample(torch.zeros(1, 4, 4), torch.tensor([float("nan"), 1.0]))
    targets = collate([unknown, unknown]).targets
    assert targets[:, 0].isnan().all()
    assert targets[:, 1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("odd", "word"), [(sample(2.0, size=5), "images"), (sample(2.0, classes=3), "targets")], ids=["image", "target"]
)
def test_collate_names_the_file_that_does_not_fit(odd, word):
    with pytest.raises(DataError, match=rf"{word} of different shapes: 'file-2.0.png'"):
        collate([sample(1.0), odd])


def test_collate_of_nothing_is_refused():
    with pytest.raises(DataError, match="no samples"):
        collate([])


def test_to_moves_every_tensor():
    batch = collate([sample(1.0, boxes=1)]).to("meta")
    assert {batch.images.device.type, batch.targets.device.type, batch.boxes[0].device.type} == {"meta"}
    assert batch.paths == ["file-1.0.png"]


def test_samples_do_not_share_their_default_boxes():
    first, second = (Sample(torch.zeros(1, 2, 2), torch.zeros(1)) for _ in range(2))
    assert first.boxes is not second.boxes
    assert first.boxes.shape == (0, 5)


def test_a_sample_cannot_be_changed():
    with pytest.raises(AttributeError):
        sample(1.0).path = "other"


def test_masks_stay_a_list():
    with_masks = Sample(torch.zeros(1, 8, 8), torch.zeros(2), masks=torch.ones(2, 8, 8, dtype=torch.bool))
    without = Sample(torch.zeros(1, 8, 8), torch.zeros(2))
    batch = collate([with_masks, without]).to("cpu")
    assert batch.masks[0].all()
    assert batch.masks[1] is None
    assert collate([without]).masks == []
