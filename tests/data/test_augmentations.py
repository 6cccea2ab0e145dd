"""The paper's augmentation of Pascal VOC, OpenCV's cubic, and draws that depend on the worker's seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from pylon_zoo.data.augmentations import AUGMENTATIONS, Augmentation
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.transforms import EvalTransform, TrainTransform
from pylon_zoo.training.loaders import training_loader
from pylon_zoo.training.order import EpochPlan

PLAIN = {"mean": (0.0,), "std": (1.0,)}
NAN = float("nan")


class LeftHalf(v2.Transform):
    def transform(self, inpt, params):
        return v2.functional.crop(inpt, 0, 0, 10, 10)


def left_half(size, **resampling):
    return [LeftHalf()]


@pytest.mark.parametrize(("shape", "size"), [((90, 70), (32, 48)), ((40, 40), (100, 64)), ((64, 64), (32, 32))])
def test_without_antialiasing_cubic_is_opencvs(shape, size):
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    options = {"size": size, **PLAIN, "antialias": False}
    ours = EvalTransform(**options).image(torch.from_numpy(image)[None])[0]
    assert np.abs(ours.numpy() - expected).max() < 2e-5
    trained = TrainTransform(**options, augmentation="none")(Sample(torch.from_numpy(image)[None], torch.zeros(1)))
    assert torch.equal(trained.image[0], ours)


def test_classes_whose_boxes_have_left_are_absent_where_the_augmentation_relabels(monkeypatch):
    boxes = torch.tensor([[0.0, 2, 0, 6, 4], [1.0, 12, 0, 20, 4], [2.0, 9, 0, 20, 4], [2.0, 11, 0, 20, 4]])
    sample = Sample(torch.zeros(1, 10, 20), torch.tensor([1.0, 1.0, 1.0, 1.0, NAN]), boxes)
    # class 0 stays; 1 leaves; of 2 a sliver stays; 3 never had a box; 4 is unknown
    for relabels, target in ((True, [1, 0, 1, 1, NAN]), (False, [1, 1, 1, 1, NAN])):
        monkeypatch.setitem(AUGMENTATIONS, "left", Augmentation(left_half, relabels, min_visibility=0.0))
        out = TrainTransform((10, 10), **PLAIN, augmentation="left")(sample)
        assert out.boxes[:, 0].tolist() == [0, 2]
        assert out.target.tolist() == pytest.approx(target, nan_ok=True)
    assert sample.target[1] == 1


def test_visibility_is_the_augmentations_own_unless_given():
    own = {name: TrainTransform((8, 8), **PLAIN, augmentation=name).min_visibility for name in ("xray", "voc")}
    assert own == {"xray": 0.5, "voc": 0}
    assert TrainTransform((8, 8), **PLAIN, augmentation="voc", min_visibility=0.3).min_visibility == 0.3


def test_voc_shows_half_the_pictures_whole_and_changes_colour():
    transform = TrainTransform((32, 32), (0.0,) * 3, (1.0,) * 3, augmentation="voc")
    box = torch.tensor([[0.0, 0, 0, 64, 64]])
    picture = torch.zeros(3, 64, 64)
    picture[0] = 0.5
    torch.manual_seed(0)
    outs = [transform(Sample(picture, torch.ones(1), box)).image for _ in range(200)]
    centres = torch.stack([out[:, 16, 16] for out in outs])
    jittered = (centres[:, 0] - 0.5).abs() > 1e-3
    assert 0.35 < jittered.float().mean() < 0.65
    assert (centres[:, 1:] > 0.01).any()  # hue
    assert 0.2 < torch.tensor([out[0].min() < 0.05 for out in outs]).float().mean() < 0.6  # black corners


@settings(max_examples=40, deadline=None)
@given(x=st.integers(0, 40), y=st.integers(0, 40), height=st.integers(20, 70), width=st.integers(20, 70))
def test_a_mirrored_picture_has_mirrored_boxes(x, y, height, width):
    image = torch.zeros(1, 60, 60)
    image[..., y : y + 16, x : x + 16] = 1
    box = torch.tensor([[0.0, x, y, x + 16, y + 16]])
    mirrored = torch.tensor([[0.0, 60 - x - 16, y, 60 - x, y + 16]])
    evaluate = EvalTransform((height, width), **PLAIN)
    one, other = evaluate(Sample(image, torch.ones(1), box)), evaluate(Sample(image.flip(-1), torch.ones(1), mirrored))
    assert torch.allclose(one.image.flip(-1), other.image, atol=1e-5)
    assert torch.allclose(one.boxes[:, [1, 3]], width - other.boxes[:, [3, 1]], atol=1e-4)
    rows, columns = (one.image[0] > 0.5).nonzero().T
    edges = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert (edges - one.boxes[0, 1:]).abs().max() <= 0.75  # half a pixel, and the kernel's shoulder


class Squares(torch.utils.data.Dataset):
    """One picture, twelve times."""

    def __init__(self, name):
        self.transform = TrainTransform((24, 24), **PLAIN, augmentation=name)

    def __len__(self):
        return 12

    def __getitem__(self, index):
        noise = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(1))
        return self.transform(Sample(noise, torch.ones(1), torch.tensor([[0.0, 4, 4, 28, 28]])))


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("name", ["xray", "voc"])
def test_the_seed_and_the_number_of_workers_decide(name, workers):
    def epoch(seed):
        loader = training_loader(Squares(name), EpochPlan(12, 3), seed, workers=workers)
        return torch.cat([batch.images for batch in loader])

    first = epoch(3)
    assert torch.equal(first, epoch(3))
    assert not torch.equal(first, epoch(4))
    # "voc" leaves one picture in sixteen as it is
    assert len({image.sum().item() for image in first}) >= {"xray": 12, "voc": 8}[name]


@pytest.mark.parametrize(("name", "turned"), [("any", True), ("upright", False)])
def test_boxes_and_masks_move_with_the_picture(name, turned):
    """The patch is off the centre and has an upper left corner, so that every turn and mirror shows."""
    transform = TrainTransform((64, 64), **PLAIN, augmentation=name)
    image, mask = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64, dtype=torch.bool)
    image[:, 20:30, 40:52] = 1
    mask[:, 20:30, 40:52] = True
    sample = Sample(image, torch.ones(1), torch.tensor([[0.0, 40, 20, 52, 30]]), masks=mask)
    torch.manual_seed(0)
    shapes, places = set(), set()
    for _ in range(100):
        out = transform(sample)
        x0, y0, x1, y1 = out.boxes[0, 1:].tolist()
        shapes.add(x1 - x0 > y1 - y0)
        places.add(((x0 + x1) / 2 > 32, (y0 + y1) / 2 > 32))
        for seen in (out.image[0] > 0.55, out.masks[0]):
            rows, columns = seen.nonzero().T
            edges = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (edges - out.boxes[0, 1:]).abs().max() <= 0.8
    assert len(shapes) == (2 if turned else 1)
    assert len(places) == (4 if turned else 2)
    assert turned or not any(below for _, below in places)


def test_edges_are_reflected_not_black():
    transform = TrainTransform((32, 32), **PLAIN, augmentation="any")
    torch.manual_seed(0)
    outs = torch.stack([transform(Sample(torch.full((1, 32, 32), 0.5), torch.ones(1))).image for _ in range(50)])
    spread = outs.amax((1, 2, 3)) - outs.amin((1, 2, 3))
    assert spread.max() < 1e-5  # brightness and contrast are the same everywhere


def test_a_picture_that_is_not_square_takes_no_quarter_turns():
    transform = TrainTransform((40, 80), **PLAIN, augmentation="any")
    image = torch.zeros(1, 40, 80)
    image[:, :, 10:14] = 1  # an upright line
    torch.manual_seed(0)
    for _ in range(40):
        rows, columns = (transform(Sample(image, torch.ones(1))).image[0] > 0.55).nonzero().T
        assert rows.max() - rows.min() >= 38
        assert columns.max() - columns.min() <= 6
