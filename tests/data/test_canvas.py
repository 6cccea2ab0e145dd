"""What a device does to a batch is what the loader would have done to each image, with the same draws."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.data.augmentations import AUGMENTATIONS, Tone
from pylon_zoo.data.canvas import CanvasTransform
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import Sample, collate
from pylon_zoo.data.transforms import EvalTransform, TrainTransform
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.training.loaders import training_loader
from pylon_zoo.training.order import EpochPlan

PLAIN = {"mean": (0.0,), "std": (1.0,)}
ABLE = [name for name, one in AUGMENTATIONS.items() if one.canvas]
LEVEL = 1 / 255


def both_ways(
    name: str, sample: Sample, size: tuple[int, int], seeds: int
) -> list[tuple[Sample, Sample, torch.Tensor]]:
    """The loader's sample, the device's and its image, by the same draws."""
    found = []
    for seed in range(seeds):
        ways = []
        for build in (TrainTransform, CanvasTransform):
            torch.manual_seed(seed)
            ways.append(build(size, **PLAIN, augmentation=name, min_visibility=0.0)(sample))
            ways.append(torch.rand(()))
        assert ways[1] == ways[3], "both draw the same numbers"
        found.append((ways[0], ways[2], collate([ways[2]]).model_input("cpu")[0]))
    return found


TOLERANCES = {"none": (0, 0), "flip": (1e-5, 0), "upright": (1e-4, 0), "any": (1e-4, 0), "affine": (1e-4, 4 / 96)}
"""Augmentation → largest difference of a pixel of an image that is not resized, and the share that may differ more:
torchvision darkens the outermost pixels of a picture on black twice, which are four sides of 96."""


@pytest.mark.parametrize("name", TOLERANCES)
def test_the_device_moves_an_image_as_the_loader_does(name):
    sample = PhantomCxr("train", size=96, count=1).load(0)
    for theirs, _, ours in both_ways(name, sample, (96, 96), seeds=12):
        apart = (theirs.image - ours).abs()
        most, share = TOLERANCES[name]
        assert (apart > most).float().mean() <= share


@pytest.mark.parametrize("name", ABLE)
@pytest.mark.parametrize("size", [(96, 96), (80, 112)])
def test_resized_to_8_bits_an_image_is_off_by_a_level_on_average_at_most(name, size):
    sample = PhantomCxr("train", size=320, count=1).load(0)
    apart = [float((theirs.image - ours).abs().mean()) for theirs, _, ours in both_ways(name, sample, size, seeds=6)]
    assert max(apart) < {"xray": 2 * LEVEL}.get(name, LEVEL)


@pytest.mark.parametrize("name", ABLE)
def test_boxes_move_along(name):
    sample = PhantomCxr("train", size=96, count=1).load(0)
    assert len(sample.boxes)
    for theirs, ours, _ in both_ways(name, sample, (64, 80), seeds=6):
        assert torch.allclose(ours.boxes, theirs.boxes, atol=1e-4)
        assert torch.equal(ours.target, theirs.target)


@pytest.mark.parametrize(("size", "exact"), [((96, 96), True), ((64, 64), False)])
def test_without_augmentation_the_device_gives_the_plain_resize(size, exact):
    sample = PhantomCxr("train", size=96, count=1).load(0)
    expected = EvalTransform(size, **PLAIN).image(sample.image)
    picture = CanvasTransform(size, **PLAIN, augmentation="none")(sample)
    assert picture.image.dtype == torch.uint8
    apart = (collate([picture]).model_input("cpu")[0] - expected).abs().max()
    assert apart <= (0 if exact else 1.5 * LEVEL)


def test_deep_images_keep_their_depth():
    deep = Sample(torch.full((1, 96, 96), 1e-4), torch.ones(1))
    picture = CanvasTransform((64, 64), **PLAIN, augmentation="upright")(deep)
    assert picture.image.dtype == torch.float32
    assert picture.image.amin() > 5e-5


@pytest.mark.parametrize(("channels", "mean"), [(1, (0.0,) * 3), (3, (0.0,)), (3, (0.0,) * 3)])
def test_channels_become_the_models(channels, mean):
    sample = Sample(torch.full((channels, 40, 30), 90, dtype=torch.uint8), torch.ones(1))
    picture = CanvasTransform((32, 32), mean, (1.0,) * len(mean), augmentation="none")(sample)
    assert picture.image.shape == (len(mean), 32, 32)
    assert torch.allclose(collate([picture]).model_input("cpu"), torch.tensor(90 / 255))


class Pictures(torch.utils.data.Dataset):
    """One picture, twelve times."""

    def __init__(self, name: str) -> None:
        self.transform = CanvasTransform((24, 24), **PLAIN, augmentation=name, keep_boxes=False)

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Sample:
        generator = torch.Generator().manual_seed(1)
        return self.transform(
            Sample(torch.randint(0, 256, (1, 32, 32), dtype=torch.uint8, generator=generator), torch.ones(1))
        )


def test_seed_epoch_and_index_decide_whoever_loads():
    def epoch(seed: int, workers: int = 0, processes: int = 1) -> torch.Tensor:
        plan, shares = EpochPlan(12, 4, processes), []
        for process in range(processes):
            loader = training_loader(Pictures("any"), plan, seed, process=process, workers=workers)
            shares.append([batch.model_input("cpu") for batch in loader])
        return torch.cat([part for step in zip(*shares, strict=True) for part in step])

    first = epoch(3)
    assert len({image.sum().item() for image in first}) == 12
    assert torch.equal(first, epoch(3, workers=2))
    assert torch.equal(first, epoch(3, processes=2))
    assert not torch.equal(first, epoch(4))


def test_tones_follow_each_other():
    tone = Tone().then(2.0, 0.1).then(0.5, 0.2)
    assert (tone.contrast, tone.brightness) == pytest.approx((1.0, 0.25))


def test_what_cannot_be_done_on_the_device_is_refused():
    with pytest.raises(ConfigError, match=r"'voc' cannot be done on the device.*data.augment_on to 'loader'"):
        CanvasTransform((8, 8), **PLAIN, augmentation="voc")
    with pytest.raises(UnknownNameError, match="Unknown augmentation"):
        CanvasTransform((8, 8), **PLAIN, augmentation="vox")
