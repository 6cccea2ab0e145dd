"""Batches that are finished where the model is: bit for bit what images finished one by one are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from pylon_zoo.data.finish import Change, Finish, warp
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import Sample, collate
from pylon_zoo.data.transforms import EvalTransform, TrainTransform

GREY, COLOUR = ((0.4,), (0.3,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
STILL = torch.eye(2, 3)


def noise(channels: int, height: int, width: int) -> Sample:
    generator = torch.Generator().manual_seed(height)
    image = torch.randint(0, 256, (channels, height, width), dtype=torch.uint8, generator=generator)
    return Sample(image, torch.ones(1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize(("mean", "std"), [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 24), (40, 30)], ids=["resized", "as it is"])
@pytest.mark.parametrize("build", [EvalTransform, lambda *a, **k: TrainTransform(*a, augmentation="none", **k)])
def test_what_is_finished_in_a_batch_is_what_one_by_one_is(build, size, channels, mean, std, layout):
    samples = [noise(channels, *size), noise(channels, 40, 30)]
    now, later = (build((40, 30), mean, std, normalize=flag) for flag in (True, False))
    batch = collate([later(one) for one in samples])
    exact = size == (40, 30) and len(mean) >= channels
    assert batch.images.dtype == (torch.uint8 if exact else torch.float32)
    found = batch.model_input("cpu", layout)
    assert torch.equal(found, collate([now(one) for one in samples]).images)
    assert found.is_contiguous(memory_format=layout)


def test_augmented_images_are_normalised_later_to_the_same_bits():
    sample = noise(1, 40, 30)
    now, later = (TrainTransform((32, 32), *GREY, augmentation="xray", normalize=flag) for flag in (True, False))
    torch.manual_seed(0)
    expected = now(sample).image
    torch.manual_seed(0)
    assert torch.equal(collate([later(sample)]).model_input("cpu")[0], expected)


def test_an_image_alone_is_normalised_in_any_case():
    image = noise(1, 40, 30).image
    now, later = (EvalTransform((40, 30), *GREY, normalize=flag) for flag in (True, False))
    assert torch.equal(later.image(image), now.image(image))


def test_8_bit_images_among_deep_ones_keep_their_values():
    transform = EvalTransform((8, 8), *GREY, normalize=False)
    deep = Sample(torch.full((1, 8, 8), 100 / 255), torch.ones(1))
    flat = Sample(torch.full((1, 8, 8), 100, dtype=torch.uint8), torch.ones(1))
    batch = collate([transform(deep), transform(flat)])
    assert batch.images.dtype == torch.float32
    assert torch.allclose(batch.images[0], batch.images[1])


def test_workers_hand_over_8_bits():
    transform = EvalTransform((32, 32), *GREY, normalize=False)
    data = PhantomCxr("val", size=32, count=6, transform=transform)
    (one,), (other,) = (list(DataLoader(data, 6, num_workers=workers, collate_fn=collate)) for workers in (0, 2))
    assert one.images.dtype == other.images.dtype == torch.uint8
    assert torch.equal(one.model_input("cpu"), other.model_input("cpu"))


@pytest.mark.parametrize("edges", ["zeros", "reflection"])
def test_a_map_that_changes_nothing_gives_the_image_to_the_bit(edges):
    images = torch.rand(3, 2, 23, 37)
    matrices = STILL.repeat(3, 1, 1)
    assert torch.equal(warp(images, matrices, (23, 37), edges), images)
    matrices[1, 0, 0] = -1
    moved = warp(images, matrices, (23, 37), edges)
    assert torch.equal(moved[[0, 2]], images[[0, 2]])
    assert torch.allclose(moved[1], images[1].flip(-1), atol=1e-4)


def test_an_image_is_moved_alike_whatever_stands_beside_it():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 1, 23, 37, generator=generator)
    matrices = STILL + 0.2 * torch.randn(5, 2, 3, generator=generator)
    whole = warp(images, matrices, (20, 20), "reflection")
    parts = [warp(images[part], matrices[part], (20, 20), "reflection") for part in (slice(0, 3), slice(3, 5))]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize(("tone_first", "edge"), [(True, 0.0), (False, 0.25)])
def test_tones_change_before_or_after_what_comes_in_at_an_edge(tone_first, edge):
    shifted = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    change = Change((4, 4), shifted, torch.tensor([[2.0, 0.25]]), tone_first=tone_first)
    found = change(torch.full((1, 1, 4, 4), 0.25))[0, 0]
    assert found[:, :2].eq(0.75).all()
    assert found[:, 2:].eq(edge).all()


def test_a_finish_travels_with_its_batch():
    change = Change((4, 4), STILL, torch.tensor([1.0, 0.5]))
    sample = Sample(torch.zeros(1, 4, 4, dtype=torch.uint8), torch.ones(1), finish=Finish((0.0,), (1.0,), change))
    batch = collate([sample, replace(sample, finish=Finish((0.0,), (1.0,), replace(change, tones=torch.ones(2))))])
    assert batch.to("cpu").model_input("cpu")[:, 0, 0, 0].tolist() == [0.5, 1.0]
