from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from pylon_zoo.data.cluttered_digits import CLASSES, MEAN, STD, ClutteredDigits, render, sample_labels
from pylon_zoo.data.cluttered_digits.glyphs import fragment, glyphs
from pylon_zoo.data.cluttered_digits.marks import MAX_OVERLAP, overlaps
from pylon_zoo.data.cluttered_digits.render import plan_digits, plan_fragments
from pylon_zoo.data.drawing import stream
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.errors import ConfigError, MissingDependencyError, UnknownNameError

SIZE = 128


def inside(boxes: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Which pixels' centres lie in a box."""
    at = np.arange(size) + 0.5
    mask = np.zeros((size, size), bool)
    for _, x0, y0, x1, y1 in boxes:
        mask |= ((at >= y0) & (at <= y1))[:, None] & ((at >= x0) & (at <= x1))[None, :]
    return mask


def test_same_key_same_picture_in_any_order():
    first = [render(7, index, SIZE) for index in (0, 1, 2)]
    again = [render(7, index, SIZE) for index in (2, 0, 1)]
    for one, other in zip(first, (again[1], again[2], again[0]), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.boxes, other.boxes)
    assert not np.array_equal(first[0].image, first[1].image)
    assert not np.array_equal(first[0].image, render(8, 0, SIZE).image)


def test_no_handwriting_is_in_two_splits():
    train, val, test = ({glyph.tobytes() for of_class in split for glyph in of_class} for split in glyphs())
    assert not train & val
    assert not train & test
    assert not val & test
    assert len(train | val | test) == 1797
    assert (len(train), len(val), len(test)) == (1197, 200, 400)
    assert all(len(of_class) >= 13 for split in glyphs() for of_class in split)


@pytest.mark.parametrize("split", range(3))
def test_every_seed_of_a_split_writes_with_the_splits_hand(split, monkeypatch):
    """With the other splits' digits blank, nothing of a picture changes."""
    name = ("train", "val", "test")[split]
    expected = [ClutteredDigits(name, seed=seed, count=2)[1].image for seed in (0, 1, 5)]
    others = tuple(
        of_split if number == split else tuple(np.zeros_like(glyph) for glyph in of_split)
        for number, of_split in enumerate(glyphs())
    )
    monkeypatch.setattr(sys.modules["pylon_zoo.data.cluttered_digits.render"], "glyphs", lambda: others)
    for seed, image in zip((0, 1, 5), expected, strict=True):
        assert torch.equal(ClutteredDigits(name, seed=seed, count=2)[1].image, image)


@pytest.mark.parametrize("digit", CLASSES)
def test_a_digit_fills_its_box_and_changes_nothing_else(digit):
    for index in range(6):
        alone = render(3, index, SIZE, digit)
        without = render(3, index, SIZE, "")
        changed = alone.image != without.image
        assert not changed[~inside(alone.boxes)].any()
        assert set(alone.boxes[:, 0]) == {int(digit)}
        strong = np.abs(alone.image.astype(int) - without.image) > 12
        for box in alone.boxes:
            rows, columns = np.nonzero(strong & inside(box[None]))
            gaps = np.array([columns.min(), rows.min(), *(SIZE - 1 - np.array([columns.max(), rows.max()]))])
            assert (gaps - [box[1], box[2], SIZE - box[3], SIZE - box[4]] <= 2.5).all(), "the box is too wide"


def test_labels_are_known_without_drawing_and_match_the_boxes():
    data = ClutteredDigits("val", size=32, count=40)
    samples = list(data)
    assert torch.equal(data.targets(), torch.stack([sample.target for sample in samples]))
    for index, sample in enumerate(samples):
        assert sample.target.tolist() == sample_labels(data.stream_seed, index).tolist()
        assert sorted(set(sample.boxes[:, 0].int().tolist())) == sample.target.nonzero().flatten().tolist()


def test_each_digit_is_there_once_or_twice():
    times = [np.bincount(render(0, index, 32, CLASSES).boxes[:, 0].astype(int)) for index in range(12)]
    assert set(np.concatenate(times)) == {1, 2}


@pytest.mark.parametrize("size", [32, 33, 50, 127, 300])
def test_any_size_shows_the_same_scene(size):
    for index in (4, 9):
        drawing, reference = render(2, index, size), render(2, index, SIZE)
        assert drawing.image.shape == (size, size)
        assert drawing.image.dtype == np.uint8
        assert np.allclose(drawing.boxes[:, 1:] / size, reference.boxes[:, 1:] / SIZE, atol=1e-5)
        assert abs(drawing.image.mean() - reference.image.mean()) < 2
        assert ((drawing.boxes[:, 1:] >= 0) & (drawing.boxes[:, 1:] <= size)).all()


def test_the_same_picture_at_four_times_the_size():
    small, large = render(2, 9, 64).image, render(2, 9, 256).image
    shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.97


def test_boxes_overlap_little_even_in_a_crowd():
    usual, crowded = [], []
    for index in range(60):
        for digits, found in ((None, usual), (CLASSES, crowded)):
            boxes = render(1, index, 32, digits).boxes[:, 1:].astype(float)
            for one, (x0, y0, x1, y1) in enumerate(boxes):
                rest = np.delete(boxes, one, axis=0)
                found += overlaps(np.array([[x0, y0]]), x1 - x0, y1 - y0, rest).tolist()
    assert max(usual) <= MAX_OVERLAP + 1e-4
    assert np.mean(np.array(crowded) > MAX_OVERLAP + 1e-4) < 0.1
    assert max(crowded) < 0.5


def test_overlap_is_in_shares_of_the_smaller_box():
    taken = np.array([[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.6, 0.6]])
    assert overlaps(np.array([[0.2, 0.3], [0.7, 0.7]]), 0.2, 0.2, taken) == pytest.approx([0.5, 0])
    assert overlaps(np.array([[0.4, 0.4]]), 0.4, 0.4, taken) == pytest.approx([1])
    assert overlaps(np.array([[0.4, 0.4]]), 0.4, 0.4, taken[:0]).tolist() == [0]


def test_a_fragment_is_made_of_quarters_in_other_corners():
    """Each digit here is one number in each of its corners; no corner of a fragment keeps its own."""
    corners = np.kron(np.array([[0.1, 0.2], [0.3, 0.4]], np.float32), np.ones((4, 4), np.float32))
    for index in range(20):
        pattern = fragment(stream(0, index, 0), (corners[None],))
        assert sorted(pattern.ravel().tolist()) == sorted(corners.ravel().tolist())
        assert not (pattern == corners).any()


def test_clutter_says_nothing_of_the_digits():
    """Outside of the boxes a picture is the same to the bit, whichever digits it shows."""
    for index in range(4):
        drawings = [render(5, index, SIZE, digits) for digits in ("", "3", "0789")]
        free = ~inside(np.concatenate([drawing.boxes for drawing in drawings]))
        assert free.mean() > 0.3
        assert all(np.array_equal(drawing.image[free], drawings[0].image[free]) for drawing in drawings)


def test_digits_and_fragments_are_about_equally_high_and_bright():
    """So that neither says what is a digit; widths differ, as fragments are not of one stroke."""
    (classes, *_), labels = glyphs(), np.eye(10, dtype=np.float32)
    digits, fragments = [], []
    for index in range(200):
        fragments += plan_fragments(0, index, classes)
        digits += [mark for _, mark in plan_digits(0, index, classes, labels[index % 10], [])]
    for measure in (lambda mark: mark.contrast, lambda mark: mark.box[3] - mark.box[1]):
        one, other = (np.array([measure(mark) for mark in marks]) for marks in (digits, fragments))
        assert other.mean() == pytest.approx(one.mean(), rel=0.1)
        assert other.std() == pytest.approx(one.std(), rel=0.2)


def test_prevalence_and_empty_pictures():
    labels = np.stack([sample_labels(0, index) for index in range(1500)])
    assert ((labels.mean(axis=0) > 0.15) & (labels.mean(axis=0) < 0.23)).all()
    assert 0.08 < (labels.sum(axis=1) == 0).mean() < 0.17  # 0.81 to the tenth is 0.12
    assert abs(np.corrcoef(labels.T) - np.eye(10)).max() < 0.1


@pytest.mark.slow
def test_mean_and_std_are_those_of_the_pictures():
    images = np.stack([render(0, index, SIZE).image for index in range(200)]) / 255
    assert images.mean() == pytest.approx(MEAN, abs=0.01)
    assert images.std() == pytest.approx(STD, abs=0.01)


def test_what_a_sample_holds():
    data = open_dataset("cluttered-digits", "train", size=64, count=3)
    assert isinstance(data, ClutteredDigits)
    sample = data[1]
    assert (sample.image.shape, sample.image.dtype) == ((1, 64, 64), torch.uint8)
    assert (sample.target.shape, sample.boxes.shape[1]) == ((10,), 5)
    assert (sample.patient, sample.path) == ("train-1", "cluttered_digits/train/000001")
    assert (data.name, data.channels, data.classes) == ("cluttered_digits", 1, CLASSES)
    assert [len(ClutteredDigits(split)) for split in ("train", "val", "test")] == [4000, 500, 1000]


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    glyphs.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "pylon-zoo\[train\]"'):
        ClutteredDigits("test")
    monkeypatch.undo()
    assert len(ClutteredDigits("test")) == 1000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, 0, 64), ConfigError, "seed"),
        ((0, -1, 64), ConfigError, "index"),
        ((0, 0, 31), ConfigError, "size of cluttered digits must be at least 32, got 31"),
        ((0, 0, 64, ["ten"]), UnknownNameError, "no digit 'ten': one of 0, 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        render(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, r"cluttered_digits has no split 'tset'\. Did you mean 'test'"),
        ({"split": "train", "size": 16}, "option size of cluttered_digits must be at least 32, got 16"),
        ({"split": "train", "count": 0}, "option count"),
        ({"split": "train", "seed": -1}, "option seed"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ClutteredDigits(**options)


def test_the_pictures_stay_what_they_were():
    # Means over a 4 × 4 grid. A checkpoint is trained on these pictures: whoever changes them retrains it.
    drawing = render(0, 4, 64)
    expected = [
        [118.6, 121.1, 115.3, 116.9],
        [127.2, 120.4, 104.1, 116.8],
        [121.3, 115.3, 139.4, 119.2],
        [122.6, 111.8, 125.0, 119.6],
    ]
    assert np.allclose(drawing.image.reshape(4, 16, 4, 16).mean(axis=(1, 3)), expected, atol=0.5)
    assert drawing.boxes.tolist() == [
        pytest.approx([6.0, 29.3, 48.3, 41.0, 63.9], abs=0.11),
        pytest.approx([6.0, 8.9, 41.8, 20.1, 56.0], abs=0.11),
    ]
