from __future__ import annotations

import numpy as np
import pytest

from pylon_zoo.data.drawing import stream
from pylon_zoo.data.phantom import CLASSES, render, sample_labels
from pylon_zoo.data.phantom.anatomy import sample_anatomy
from pylon_zoo.data.phantom.render import ANATOMY, plan_findings, render_grey
from pylon_zoo.errors import ConfigError, UnknownNameError

SIZE = 96


def in_boxes(boxes: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """Which pixels' centres lie in a box, each side moved inwards by `margin` of the box."""
    at = np.arange(size) + 0.5
    mask = np.zeros((size, size), bool)
    for _, x0, y0, x1, y1 in boxes:
        dx, dy = margin * (x1 - x0), margin * (y1 - y0)
        columns, rows = (at >= x0 + dx) & (at <= x1 - dx), (at >= y0 + dy) & (at <= y1 - dy)
        mask |= rows[:, None] & columns[None, :]
    return mask


def areas(finding: str, count: int = 60) -> np.ndarray:
    """Areas of a finding's boxes as fractions of the image."""
    labels = np.array([name == finding for name in CLASSES], np.float32)
    boxes = np.array(
        [
            one.box
            for index in range(count)
            for _, one in plan_findings(1, index, sample_anatomy(stream(1, index, ANATOMY)), labels)
        ]
    )
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def test_there_are_at_least_six_findings():
    assert len(CLASSES) == len(set(CLASSES)) >= 6


def test_same_key_same_picture_in_any_order():
    first = [render(7, index, SIZE) for index in (0, 1, 2)]
    again = [render(7, index, SIZE) for index in (2, 0, 1)]
    for one, other in zip(first, (again[1], again[2], again[0]), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.boxes, other.boxes)
    assert not np.array_equal(first[0].image, first[1].image)
    assert not np.array_equal(first[0].image, render(8, 0, SIZE).image)


def test_types_and_ranges():
    phantom = render(0, 11, SIZE, CLASSES)
    assert phantom.image.shape == (SIZE, SIZE)
    assert phantom.image.dtype == np.uint8
    assert phantom.labels.dtype == phantom.boxes.dtype == np.float32
    assert phantom.labels.tolist() == [1.0] * len(CLASSES)
    assert set(phantom.boxes[:, 0].astype(int)) == set(range(len(CLASSES)))
    _, x0, y0, x1, y1 = phantom.boxes.T
    assert ((x0 >= 0) & (x0 < x1) & (x1 <= SIZE)).all()
    assert ((y0 >= 0) & (y0 < y1) & (y1 <= SIZE)).all()


def test_labels_are_known_without_drawing_and_match_the_boxes():
    for index in range(20):
        phantom = render(3, index, 32)
        assert np.array_equal(phantom.labels, sample_labels(3, index))
        assert set(phantom.boxes[:, 0].astype(int)) == set(np.flatnonzero(phantom.labels))


def test_forcing_the_sampled_findings_changes_nothing():
    for index in range(4):
        free = render(3, index, 64)
        forced = render(3, index, 64, [CLASSES[k] for k in np.flatnonzero(free.labels)])
        assert np.array_equal(free.image, forced.image)
        assert np.array_equal(free.boxes, forced.boxes)


@pytest.mark.slow
@pytest.mark.parametrize("finding", CLASSES)
def test_all_evidence_lies_inside_the_boxes(finding):
    for index in range(12):
        others = [other for other in CLASSES if other != finding and (index + len(other)) % 5 == 0]
        without, *_ = render_grey(4, index, SIZE, others)
        with_it, _, boxes = render_grey(4, index, SIZE, [*others, finding])
        own = boxes[boxes[:, 0] == CLASSES.index(finding)]
        difference = np.abs(with_it - without)
        assert difference.sum() > 1.0, "the finding cannot be seen"
        assert difference[~in_boxes(own, SIZE)].sum() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("finding", CLASSES)
def test_boxes_leave_a_margin_around_the_evidence(finding):
    outer = total = 0.0
    for index in range(16):
        without, *_ = render_grey(5, index, SIZE, [])
        with_it, _, boxes = render_grey(5, index, SIZE, [finding])
        difference = np.abs(with_it - without)
        outer += difference[~in_boxes(boxes, SIZE, margin=0.04)].sum()
        total += difference.sum()
    assert outer / total < 0.02


@pytest.mark.parametrize(
    ("finding", "low", "high"),
    [("Nodule", 0.003, 0.008), ("Mass", 0.02, 0.05), ("Cardiomegaly", 0.12, 0.20)],
)
def test_box_areas(finding, low, high):
    middle = np.median(areas(finding))
    assert low < middle < high
    assert (areas(finding) > 0.7 * low).all()


def test_findings_come_in_very_different_sizes():
    # A cell of a stride-32 map at 128 px is 1/16 of the image: the smallest finding is far under, the largest far over.
    assert np.quantile(areas("Nodule"), 0.1) < 0.005
    assert np.quantile(areas("Cardiomegaly"), 0.9) > 0.15


def test_the_same_scene_at_every_size():
    small, large = render(2, 9, 64), render(2, 9, 256)
    assert np.array_equal(small.labels, large.labels)
    assert np.allclose(small.boxes[:, 1:] * 4, large.boxes[:, 1:], atol=1e-2)
    shrunk = large.image.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(shrunk - small.image).mean() < 6
    assert np.corrcoef(shrunk.ravel(), small.image.ravel())[0, 1] > 0.98


def test_a_nodule_is_brighter_than_its_surroundings():
    contrast = []
    for index in range(24):
        grey, _, boxes = render_grey(6, index, SIZE, ["Nodule"])
        for box in boxes:
            core, around = in_boxes(box[None], SIZE, 0.3), in_boxes(box[None], SIZE, -0.3) & ~in_boxes(box[None], SIZE)
            contrast.append(grey[core].mean() - grey[around].mean())
    assert np.median(contrast) > 0.08
    assert np.mean(np.array(contrast) > 0.02) > 0.9


def test_prevalence_and_healthy_share():
    labels = np.stack([sample_labels(0, index) for index in range(1500)])
    assert ((labels.mean(axis=0) > 0.15) & (labels.mean(axis=0) < 0.23)).all()
    assert 0.13 < (labels.sum(axis=1) == 0).mean() < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-1, 0, 64), "seed"), ((0, -1, 64), "index"), ((0, 0, 31), "size must be at least 32, got 31")],
)
def test_bad_numbers_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        render(*arguments)


def test_unknown_finding_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no finding 'Nodul'\. Did you mean 'Nodule'"):
        render(0, 0, 64, ["Nodul"])


def test_the_pictures_stay_what_they_were():
    # Means over a 4 × 4 grid. The bundled checkpoint was trained on these pictures: whoever changes them retrains it.
    phantom = render(0, 30, 64)
    means = phantom.image.reshape(4, 16, 4, 16).mean(axis=(1, 3))
    expected = [
        [98.9, 140.8, 155.0, 88.6],
        [156.0, 128.2, 139.9, 173.1],
        [129.2, 166.1, 159.3, 134.7],
        [168.4, 224.1, 217.0, 129.5],
    ]
    assert np.allclose(means, expected, atol=0.5)
    assert phantom.boxes.round(1).tolist() == [
        pytest.approx([4.0, 6.4, 31.8, 16.0, 52.2], abs=0.11),
        pytest.approx([7.0, 23.1, 6.7, 28.6, 12.2], abs=0.11),
    ]
