from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pylon_zoo.data.phantom import CLASSES, MEAN, STD, PhantomCxr, dataset
from pylon_zoo.data.sample import collate
from pylon_zoo.errors import ConfigError


def test_what_a_sample_holds():
    data = PhantomCxr("train", size=64, count=3)
    sample = data[1]
    assert sample.image.shape == (1, 64, 64)
    assert sample.image.dtype == torch.uint8
    assert sample.target.shape == (len(CLASSES),)
    assert sample.boxes.shape[1] == 5
    assert (sample.patient, sample.path) == ("train-1", "phantom_cxr/train/000001")
    assert (data.name, data.channels, data.classes) == ("phantom_cxr", 1, CLASSES)


def test_default_counts():
    assert [len(PhantomCxr(split)) for split in ("train", "val", "test")] == [4000, 500, 1000]


def test_no_image_is_in_two_splits_or_two_seeds():
    seeds = {PhantomCxr(split, seed=seed).stream_seed for split in ("train", "val", "test") for seed in range(4)}
    assert len(seeds) == 12
    images = [PhantomCxr(split, size=32, count=1)[0].image for split in ("train", "val", "test")]
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])


def test_targets_need_no_drawing(monkeypatch):
    samples = torch.stack([sample.target for sample in PhantomCxr("val", size=32, count=12)])
    monkeypatch.setattr(dataset, "render", lambda *_: pytest.fail("drew an image"))
    data = PhantomCxr("val", size=32, count=12)
    assert torch.equal(data.targets(), samples)
    assert data.patients[:2] == ["val-0", "val-1"]


def test_more_images_keep_the_first_ones():
    few, many = PhantomCxr("test", size=32, count=2), PhantomCxr("test", size=32, count=5)
    assert torch.equal(few[1].image, many[1].image)


def test_cache_draws_once_and_is_not_changed_by_users(monkeypatch):
    drawn = []
    real = dataset.render
    monkeypatch.setattr(dataset, "render", lambda *args: drawn.append(args) or real(*args))
    data = PhantomCxr("train", size=32, count=2, cache=True)
    first = data[0].image.clone()
    data[0].image.zero_()
    data[0].boxes.zero_()
    assert torch.equal(data[0].image, first)
    assert torch.equal(data[0].boxes, PhantomCxr("train", size=32, count=2)[0].boxes)
    assert len([args for args in drawn if args[1] == 0]) == 2  # one for the cached set, one for the other


def test_transform_is_applied_after_the_cache():
    data = PhantomCxr("train", size=32, count=1, cache=True)
    plain = data[0].image
    data.transform = lambda sample: replace(sample, image=255 - sample.image)
    assert torch.equal(data[0].image, 255 - plain)


def test_it_goes_through_a_loader():
    batch = next(iter(DataLoader(PhantomCxr("train", size=32, count=4), batch_size=4, collate_fn=collate)))
    assert batch.images.shape == (4, 1, 32, 32)
    assert len(batch.boxes) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, r"no split 'tset'\. Did you mean 'test'"),
        ({"split": "train", "size": 16}, "option size of phantom_cxr must be at least 32, got 16"),
        ({"split": "train", "count": 0}, "option count"),
        ({"split": "train", "seed": -1}, "option seed"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        PhantomCxr(**options)


def test_no_image_beyond_the_last():
    with pytest.raises(IndexError, match="phantom_cxr/train has 2 images; there is no image 2"):
        PhantomCxr("train", size=32, count=2)[2]


@pytest.mark.slow
def test_mean_and_std_are_those_of_the_pictures():
    images = np.stack([sample.image.numpy() for sample in PhantomCxr("train", size=48, count=200)]) / 255
    assert images.mean() == pytest.approx(MEAN, abs=0.01)
    assert images.std() == pytest.approx(STD, abs=0.01)
