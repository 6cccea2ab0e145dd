"""Regions of all cuts against the first implementation, cut by cut, and OpenCV's contours."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

import level_by_level
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pylon_zoo.regions import Cuts, holes_of_cuts, regions_of_cuts


def plateaus(height: int, width: int, seed: int, values: int, smooth: bool) -> Tensor:
    """(H, W) uint8 of few or many values: noise, or a bilinear map whose steps are plateaus."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, *((3, 3) if smooth else (height, width)), generator=generator)
    full = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0, 0]
    return ((full * (values - 1)).round() * (255 // (values - 1))).to(torch.uint8)


maps = st.builds(
    plateaus,
    st.integers(1, 10),
    st.integers(1, 11),
    st.integers(0, 10_000),
    st.sampled_from([2, 3, 4, 9, 40, 256]),
    st.booleans(),
)


def cuts_of(image: Tensor) -> list[int]:
    """The cuts at which a map's regions change, and those next to them."""
    values = set(image.flatten().tolist())
    return sorted(cut for cut in {0, 254, *values, *(value - 1 for value in values)} if 0 <= cut < 255)


def at_cut(found: Cuts, owner: int, cut: int) -> Counter:
    """The boxes of one map at one cut."""
    there = (found.owners == owner) & (found.low <= cut) & (cut < found.high)
    return Counter(map(tuple, found.boxes[there].tolist()))


def counted(boxes: Tensor) -> Counter:
    return Counter(map(tuple, boxes.tolist()))


@settings(max_examples=60, deadline=None)
@given(image=maps, diagonal=st.booleans())
def test_every_cut_has_the_regions_of_its_mask(image, diagonal):
    found = regions_of_cuts(image[None], diagonal)
    for cut in cuts_of(image):
        assert at_cut(found, 0, cut) == counted(level_by_level.boxes_of_regions(image > cut, diagonal))
    assert len(found.owners) <= image.numel()
    assert bool((found.low < found.high).all())


@settings(max_examples=50, deadline=None)
@given(image=maps)
def test_every_cut_has_the_holes_of_its_mask(image):
    found = holes_of_cuts(image[None])
    for cut in cuts_of(image):
        assert at_cut(found, 0, cut) == counted(level_by_level.boxes_of_holes(image > cut))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 5), values=st.sampled_from([2, 5, 256]))
def test_maps_do_not_touch_each_other(seed, count, values):
    stack = torch.stack([plateaus(6, 9, seed + index, values, bool(index % 2)) for index in range(count + 1)])[:count]
    for find in (regions_of_cuts, holes_of_cuts):
        alone = [find(one[None]) for one in stack]
        together = find(stack)
        for index, one in enumerate(alone):
            mine = together.owners == index
            rows = [torch.column_stack([each.low, each.high, each.boxes]) for each in (one, together)]
            assert counted(rows[0]) == counted(rows[1][mine])
        assert len(together.owners) == sum(len(one.owners) for one in alone)


@settings(max_examples=60, deadline=None)
@given(image=maps, cut=st.integers(0, 254))
def test_regions_and_holes_are_the_contours_of_opencv(image, cut):
    cv2 = import_module("cv2")
    _, binary = cv2.threshold(image.numpy(), cut, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    theirs = Counter((x, y, x + w - 1, y + h - 1) for x, y, w, h in map(cv2.boundingRect, contours))
    assert at_cut(regions_of_cuts(image[None]), 0, cut) + at_cut(holes_of_cuts(image[None]), 0, cut) == theirs


@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_a_flat_map_is_one_region_below_its_value(value):
    found = regions_of_cuts(torch.full((1, 4, 3), value, dtype=torch.uint8))
    expected = [] if value == 0 else [[0, 0, value, 0, 0, 2, 3]]
    assert torch.column_stack(list(found)).tolist() == expected
    assert len(holes_of_cuts(torch.full((1, 4, 3), value, dtype=torch.uint8)).owners) == 0


def test_peaks_that_meet_at_one_height_meet_all_at_once():
    # Four equal peaks around a cross of equal passes: one region below 3, four from there on.
    image = torch.tensor([[[9, 3, 9], [3, 3, 3], [9, 3, 9]]], dtype=torch.uint8)
    found = regions_of_cuts(image)
    assert at_cut(found, 0, 2) == {(0, 0, 2, 2): 1}
    assert at_cut(found, 0, 3) == at_cut(found, 0, 8) == {(x, y, x, y): 1 for x in (0, 2) for y in (0, 2)}
    assert not at_cut(found, 0, 9)


def test_a_staircase_of_peaks_is_cut_off_peak_by_peak():
    # Every peak is higher than the one before, and so is every pass: the worst order for pruning.
    row = [value for step in range(1, 41) for value in (2 * step - 1, 6 * step)]
    image = torch.tensor([[row]], dtype=torch.uint8)
    found = regions_of_cuts(image)
    for cut in cuts_of(image):
        assert at_cut(found, 0, cut) == counted(level_by_level.boxes_of_regions(image[0] > cut))
