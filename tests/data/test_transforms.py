from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pylon_zoo.data.augmentations import AUGMENTATIONS, Augmentation, BrightnessContrast
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.transforms import EvalTransform, TrainTransform
from pylon_zoo.errors import ConfigError, UnknownNameError

PLAIN = {"mean": (0.0,), "std": (1.0,)}
TRAIN_AND_EVAL = [
    EvalTransform,
    *(lambda name=name, **kw: TrainTransform(augmentation=name, **kw) for name in AUGMENTATIONS),
]
IDS = ["eval", *AUGMENTATIONS]


def sample(image, boxes=None):
    target = torch.tensor([1.0, 0.0, float("nan")])
    boxes = torch.zeros(0, 5) if boxes is None else torch.tensor(boxes)
    return Sample(image, target, boxes, "p1", "a.png")


def textured(height, width, channels=1):
    return torch.randint(
        0, 256, (channels, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("build", TRAIN_AND_EVAL, ids=IDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("in_chans", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_any_image_to_any_model(build, channels, in_chans, dtype):
    image = textured(40, 30, channels)
    image = image if dtype == torch.uint8 else image / 255
    before = image.clone()
    out = build(size=(16, 24), mean=(0.5,) * in_chans, std=(0.25,) * in_chans)(sample(image))
    assert out.image.shape == (in_chans, 16, 24)
    assert out.image.dtype == torch.float32
    assert type(out.image) is type(out.boxes) is torch.Tensor
    assert out.boxes.shape == (0, 5)
    assert out.boxes.dtype == torch.float32
    assert out.image.min() >= -2  # (0 - 0.5) / 0.25
    assert out.image.max() <= 2
    assert (out.patient, out.path) == ("p1", "a.png")
    assert out.target.isnan().tolist() == [False, False, True]
    assert torch.equal(image, before)


@pytest.mark.parametrize("depth", [torch.uint8, torch.float32])
def test_normalisation_by_hand(depth):
    image = torch.tensor([[[255]], [[0]], [[51]]], dtype=torch.uint8)
    image = image if depth == torch.uint8 else image / 255
    out = EvalTransform((1, 1), mean=(0.5, 0.25, 0.1), std=(0.5, 0.25, 0.2)).image(image)
    assert out.flatten().tolist() == pytest.approx([1, -1, 0.5])


def test_grey_repeats_before_each_channel_is_normalised():
    out = EvalTransform((1, 1), mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25)).image(torch.full((1, 1, 1), 0.5))
    assert out.flatten().tolist() == pytest.approx([0.5, 0.0, -2.0])


@pytest.mark.parametrize(
    ("interpolation", "pil"), [("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST)]
)
def test_antialiased_resizing_is_pillows(interpolation, pil):
    image = textured(50, 70)
    expected = np.asarray(Image.fromarray(image[0].numpy()).resize((24, 16), pil))
    out = EvalTransform((16, 24), **PLAIN, interpolation=interpolation).image(image)
    assert np.abs(out[0].numpy() * 255 - expected).max() < 1.01


def test_without_antialiasing_fine_detail_aliases():
    stripes = torch.zeros(1, 64, 64)
    stripes[..., ::4] = 1
    smooth, sharp = (EvalTransform((16, 16), **PLAIN, antialias=flag).image(stripes) for flag in (True, False))
    assert smooth[0, 8, 4:-4].sub(0.25).abs().max() < 0.01
    assert sharp[0, 8, 4:-4].sub(0.25).abs().min() > 0.1


def test_cubic_overshoot_is_clamped():
    edge = torch.zeros(1, 8, 8)
    edge[..., 4:] = 1
    out = EvalTransform((32, 32), **PLAIN).image(edge)
    assert out.min() == 0
    assert out.max() == 1


def test_boxes_scale_with_the_image_at_evaluation():
    out = EvalTransform((50, 400), **PLAIN)(sample(textured(100, 200), [[2.0, 10.0, 20.0, 30.0, 60.0]]))
    assert out.boxes.tolist() == [[2, 20, 10, 60, 30]]


def test_the_mirror_by_hand():
    image = torch.zeros(1, 10, 20)
    image[..., :5, :4] = 0.5
    transform = TrainTransform((10, 20), **PLAIN, augmentation="flip")
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        out = transform(sample(image, [[1.0, 0.0, 0.0, 4.0, 5.0]]))
        bright = (out.image[0] > 0.3).nonzero()
        assert tuple(out.boxes[0].tolist()) in {(1, 0, 0, 4, 5), (1, 16, 0, 20, 5)}
        assert (bright[:, 1] >= out.boxes[0, 1]).all()
        assert (bright[:, 1] < out.boxes[0, 3]).all()
        seen.add(out.boxes[0, 1].item())
    assert seen == {0, 16}


REFLECTING = ("any", "upright")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    name=st.sampled_from(sorted(AUGMENTATIONS)),
    x=st.integers(0, 80),
    y=st.integers(0, 50),
    side=st.integers(12, 20),
)
def test_boxes_follow_what_they_hold(seed, name, x, y, side):
    """A bright square in a box: wherever it goes, what is left of it lies in the box that is left."""
    image = torch.zeros(1, 70, 100)
    image[..., y : y + side, x : x + side] = 1
    box = [[1.0, float(x), float(y), float(x + side), float(y + side)]]
    torch.manual_seed(seed)
    out = TrainTransform((48, 64), **PLAIN, augmentation=name, min_visibility=0.0)(sample(image, box))
    contrast = out.image[0] - out.image[0].median()
    if not len(out.boxes):  # cropped away; a bright square is the brightest there is
        assert (out.image[0] < 0.5 + out.image[0].median()).all()
        return
    _, x0, y0, x1, y1 = out.boxes[0].tolist()
    assert 0 <= x0 <= x1 <= 64
    assert 0 <= y0 <= y1 <= 48
    bright = contrast > 0.5 * contrast.max().clamp(min=0.2)
    if name in REFLECTING:  # a square at the border has a mirror image beyond it, outside its box
        assert bright[int((y0 + y1) / 2), int((x0 + x1) / 2)]
        return
    rows, columns = bright.nonzero().T
    assert ((columns + 1 >= x0 - 0.5) & (columns <= x1 + 0.5) & (rows + 1 >= y0 - 0.5) & (rows <= y1 + 0.5)).all()


def test_a_box_with_less_than_half_left_is_dropped(monkeypatch):
    from torchvision.transforms import v2

    class LeftHalf(v2.Transform):
        def transform(self, inpt, params):
            return v2.functional.crop(inpt, 0, 0, 10, 10)

    monkeypatch.setitem(AUGMENTATIONS, "left", Augmentation(lambda size, **resampling: [LeftHalf()]))
    boxes = [
        [0.0, 6.0, 0.0, 14.0, 4.0],
        [1.0, 7.0, 0.0, 15.0, 4.0],
        [2.0, 12.0, 0.0, 20.0, 4.0],
        [3.0, 0.0, 0.0, 2.0, 2.0],
    ]
    transform = TrainTransform((10, 10), **PLAIN, augmentation="left")
    out = transform(sample(torch.zeros(1, 10, 20), boxes))
    assert out.boxes.tolist() == [[0, 6, 0, 10, 4], [3, 0, 0, 2, 2]]  # a half, three eighths, nothing, all
    assert out.target[:2].tolist() == [1, 0]


def test_what_rotation_pushes_out_counts_as_lost(monkeypatch):
    from torchvision.transforms import v2

    turn_then_crop = [v2.RandomRotation((90, 90)), v2.CenterCrop((10, 10))]
    monkeypatch.setitem(AUGMENTATIONS, "turn", Augmentation(lambda size, **resampling: turn_then_crop))
    # 20 high, 10 wide: turned by 90°, the upper and lower quarter leave the picture; the box is the upper half
    out = TrainTransform((10, 10), **PLAIN, augmentation="turn")(
        sample(torch.zeros(1, 20, 10), [[0.0, 0.0, 0.0, 10.0, 8.0], [1.0, 0.0, 2.0, 10.0, 8.0]])
    )
    assert out.boxes[:, 0].tolist() == [1]  # 3/8 of the first is left, half of the second


def test_degenerate_boxes_are_dropped():
    out = TrainTransform((8, 8), **PLAIN, augmentation="none")(sample(textured(8, 8), [[0.0, 3.0, 3.0, 3.0, 5.0]]))
    assert out.boxes.shape == (0, 5)


@pytest.mark.parametrize("name", ["flip", "xray"])
def test_the_seed_decides(name):
    transform = TrainTransform((24, 24), **PLAIN, augmentation=name)
    one = sample(textured(32, 32), [[0.0, 4.0, 4.0, 28.0, 28.0]])

    def draw(seed):
        torch.manual_seed(seed)
        return transform(one)

    assert torch.equal(draw(1).image, draw(1).image)
    assert torch.equal(draw(1).boxes, draw(1).boxes)
    assert len({draw(seed).image.sum().item() for seed in range(5)}) == 5


def test_no_augmentation_is_evaluation():
    one = sample(textured(32, 20), [[0.0, 4.0, 4.0, 18.0, 28.0]])
    train, evaluation = (
        TrainTransform((24, 24), **PLAIN, augmentation="none")(one),
        EvalTransform((24, 24), **PLAIN)(one),
    )
    assert torch.equal(train.image, evaluation.image)
    assert torch.allclose(train.boxes, evaluation.boxes)


def test_xray_turns_the_picture_half_the_time_on_black():
    transform = TrainTransform((32, 32), **PLAIN, augmentation="xray")
    white = sample(torch.full((1, 32, 32), 255, dtype=torch.uint8))
    torch.manual_seed(0)
    cornered = sum(transform(white).image.min().item() < 0.01 for _ in range(100))
    assert 25 < cornered < 65  # 50, less the rotations too small, or cropped too tightly, to show a corner


def test_brightness_and_contrast_stay_in_their_limits():
    from torchvision import tv_tensors

    image = tv_tensors.Image(torch.tensor([[[0.0, 0.5, 1.0]]]))
    transform = BrightnessContrast(0.1)
    torch.manual_seed(0)
    values = torch.stack([transform(image).as_subclass(torch.Tensor).flatten() for _ in range(300)])
    assert values.min() == 0
    assert values.max() == 1
    assert values[:, 1].min() == pytest.approx(0.35, abs=0.02)  # 0.9 · 0.5 - 0.1
    assert values[:, 1].max() == pytest.approx(0.65, abs=0.02)


def test_transforms_travel_to_workers_and_compare():
    transform = TrainTransform(size=[16, 16], mean=[0.5], std=[0.25], augmentation="xray")
    assert pickle.loads(pickle.dumps(transform)) == transform
    assert transform.size == (16, 16)
    assert transform != TrainTransform((16, 16), (0.5,), (0.25,), augmentation="flip")
    assert EvalTransform((16, 16), (0.5,), (0.25,)).in_chans == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"interpolation": "bicubik"}, ConfigError, "Unknown interpolation 'bicubik'.* Did you mean 'bicubic'"),
        ({"augmentation": "x-ray"}, UnknownNameError, "Unknown augmentation 'x-ray'.* Did you mean 'xray'"),
        ({"size": (0, 4)}, ConfigError, r"size=\(0, 4\) must be \(height, width\)"),
        ({"size": (4.0, 4.0)}, ConfigError, "whole pixels"),
        ({"std": (0.5, 0.5)}, ConfigError, "one entry per channel"),
        ({"std": (0.0,)}, ConfigError, "std above 0"),
        ({"min_visibility": 2}, ConfigError, "min_visibility=2 must lie in"),
    ],
)
def test_options_that_make_no_sense(options, error, message):
    with pytest.raises(error, match=message) as caught:
        TrainTransform(**{"size": (8, 8), "mean": (0.5,), "std": (0.5,), **options})
    assert caught.value.exit_code == 2


def test_channels_that_do_not_convert_name_both_counts():
    with pytest.raises(ConfigError, match="The image has 3 channels and the model takes 4"):
        EvalTransform((8, 8), (0.5,) * 4, (0.5,) * 4).image(torch.zeros(3, 8, 8))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_masks_follow_the_image(augmentation):
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[1, 8:40, 20:52] = True
    sample = Sample(masks[1:].float(), torch.zeros(2), masks=masks)
    for transform in (
        EvalTransform((32, 32), (0.0,), (1.0,)),
        TrainTransform((32, 32), (0.0,), (1.0,), augmentation=augmentation),
    ):
        torch.manual_seed(3)
        moved = transform(sample)
        assert (moved.masks.shape, moved.masks.dtype, type(moved.masks)) == ((2, 32, 32), torch.bool, torch.Tensor)
        assert not moved.masks[0].any()
        if augmentation in ("none", "flip", "affine"):
            bright = moved.image[0] > 0.5
            assert (bright != moved.masks[1]).float().mean() < 0.05


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_without_boxes_images_and_labels_are_the_same(name):
    boxed = sample(textured(40, 40), [[0.0, 1, 1, 3, 3], [1.0, 10, 10, 30, 30]])
    for seed in range(8):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            whole = TrainTransform((32, 32), **PLAIN, augmentation=name)(boxed)
            torch.manual_seed(seed)
            bare = TrainTransform((32, 32), **PLAIN, augmentation=name, keep_boxes=False)(boxed)
        assert torch.equal(bare.image, whole.image)
        torch.testing.assert_close(bare.target, whole.target, rtol=0, atol=0, equal_nan=True)
        assert bare.boxes.shape == (0, 5)
    assert len(boxed.boxes) == 2
