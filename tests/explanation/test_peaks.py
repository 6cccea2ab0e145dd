from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from torch.nn import functional

from pylon_zoo.cells import to_pixels
from pylon_zoo.explanation.peaks import Box, Point, find_boxes, find_peak


def flood_fill_boxes(mask: np.ndarray) -> set[Box]:
    """The textbook way, pixel by pixel."""
    todo, boxes = {tuple(pixel) for pixel in np.argwhere(mask)}, set()
    while todo:
        stack, region = [todo.pop()], []
        while stack:
            y, x = stack.pop()
            region.append((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & todo
            todo -= around
            stack += around
        rows, columns = zip(*region, strict=True)
        boxes.add(Box(min(columns), min(rows), max(columns), max(rows)))
    return boxes


@settings(max_examples=100, deadline=None)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_boxes_are_those_of_a_flood_fill(mask: np.ndarray) -> None:
    boxes = find_boxes(mask.astype(np.float32), threshold=0.5)
    assert set(boxes) == flood_fill_boxes(mask)


def test_two_arms_that_meet_below_are_one_region() -> None:
    drawing = ["#...#", "#.#.#", "#...#", ".###."]
    values = np.array([[cell == "#" for cell in row] for row in drawing], dtype=float)
    assert find_boxes(values, 0.5) == (Box(0, 0, 4, 3), Box(2, 1, 2, 1))


def test_boxes_are_ordered_by_their_highest_value() -> None:
    values = np.array([[0.6, 0.0, 0.0, 0.7, 0.9]])
    assert find_boxes(values, 0.5) == (Box(3, 0, 4, 0), Box(0, 0, 0, 0))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(0, 1, width=16)))
def test_regions_come_by_their_highest_value_then_in_raster_order(values: np.ndarray) -> None:
    labels, count = ndimage.label(values >= 0.5, np.ones((3, 3)))
    slices = ndimage.find_objects(labels)
    highest = [values[labels == region + 1].max() for region in range(count)]
    order = sorted(range(count), key=lambda region: -highest[region])
    expected = [(x.start, y.start, x.stop - 1, y.stop - 1) for y, x in (slices[region] for region in order)]
    assert list(find_boxes(values, 0.5)) == expected


def test_a_value_at_the_threshold_belongs() -> None:
    assert find_boxes(np.array([[0.5]]), 0.5) == (Box(0, 0, 0, 0),)


def test_nothing_reached_is_no_box() -> None:
    assert find_boxes(np.zeros((3, 4)), 0.5) == ()


def test_the_whole_image_is_one_box() -> None:
    assert find_boxes(np.ones((3, 4)), 0.5) == (Box(0, 0, 3, 2),)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_peak_is_the_first_maximum_of_the_upsampled_map(h: int, w: int, height: int, width: int, seed: int) -> None:
    native = torch.rand(h, w, generator=torch.Generator().manual_seed(seed))
    full = functional.interpolate(native[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
    peak = find_peak(native, (height, width))
    assert peak == Point(int(full.argmax()) % width, int(full.argmax()) // width)


def test_upsampling_keeps_centres_not_corners() -> None:
    # Pixel centres of the doubled row lie at -0.25, 0.25, 0.75, 1.25 of the original one; outside is clamped.
    row = to_pixels(torch.tensor([[[0.0, 1.0]]]), (1, 4))
    assert row.flatten().tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])
