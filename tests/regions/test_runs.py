"""Connected regions of masks against the first implementation, scikit-image and SciPy."""

from __future__ import annotations

from importlib import import_module

import level_by_level
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pylon_zoo.regions import boxes_of_regions, find_runs

stacks = st.tuples(
    st.integers(0, 3), st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000), st.floats(0.1, 0.9)
)


def masks_of(case: tuple[int, int, int, int, float]) -> torch.Tensor:
    count, height, width, seed, share = case
    return torch.rand(count, height, width, generator=torch.Generator().manual_seed(seed)) < share


def test_by_hand():
    mask = torch.tensor([[[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]], dtype=torch.bool)
    assert boxes_of_regions(mask)[0].tolist() == [[0, 0, 1, 1], [4, 0, 4, 1], [0, 3, 4, 3]]
    four_connected = boxes_of_regions(mask, diagonal=False)[0].tolist()
    assert four_connected == [[0, 0, 0, 0], [4, 0, 4, 1], [1, 1, 1, 1], [0, 3, 4, 3]]
    assert boxes_of_regions(torch.zeros(1, 3, 2, dtype=torch.bool))[0].shape == (0, 4)


def test_a_line_does_not_run_into_the_next_nor_a_mask_into_the_next():
    mask = torch.tensor([[[0, 0, 1], [1, 0, 0]], [[1, 0, 0], [0, 0, 1]]], dtype=torch.bool)
    boxes, owners = boxes_of_regions(mask)
    assert boxes.tolist() == [[2, 0, 2, 0], [0, 1, 0, 1], [0, 0, 0, 0], [2, 1, 2, 1]]
    assert owners.tolist() == [0, 0, 1, 1]


def test_runs_of_a_stack():
    runs = find_runs(torch.tensor([[[0, 0]], [[1, 1]]], dtype=torch.bool).numpy())
    assert [each.tolist() for each in runs] == [[1], [0], [0], [1], [0]]


def test_a_spiral_is_one_region():
    side = 41
    mask, y, x, down, right = torch.zeros(1, side, side, dtype=torch.bool), 0, 0, 0, 1
    for length in (side - 1, *(n for n in range(side - 1, 1, -2) for _ in (0, 1))):
        for _ in range(length):
            mask[0, y, x] = True
            y, x = y + down, x + right
        down, right = right, -down
    assert 0.4 < float(mask.float().mean()) < 0.6
    assert boxes_of_regions(mask)[0].tolist() == [[0, 0, side - 1, side - 1]]
    assert level_by_level.boxes_of_regions(mask[0]).tolist() == [[0, 0, side - 1, side - 1]]


@settings(max_examples=60, deadline=None)
@given(case=stacks, diagonal=st.booleans())
def test_a_stack_is_what_its_masks_were_one_by_one(case, diagonal):
    masks = masks_of(case)
    boxes, owners = boxes_of_regions(masks, diagonal)
    expected = [level_by_level.boxes_of_regions(mask, diagonal) for mask in masks]
    assert boxes.tolist() == [box for each in expected for box in each.tolist()]
    assert owners.tolist() == [index for index, each in enumerate(expected) for _ in each]


@settings(max_examples=60, deadline=None)
@given(case=stacks, diagonal=st.booleans())
def test_regions_agree_with_scikit_image_and_scipy(case, diagonal):
    measure, ndimage = import_module("skimage.measure"), import_module("scipy.ndimage")
    for mask in masks_of(case):
        ours = sorted(boxes_of_regions(mask[None], diagonal)[0].tolist())
        found = measure.regionprops(measure.label(mask.numpy(), connectivity=1 + diagonal))
        assert ours == sorted([x0, y0, x1 - 1, y1 - 1] for y0, x0, y1, x1 in (region.bbox for region in found))
        labels, _ = ndimage.label(mask.numpy(), ndimage.generate_binary_structure(2, 1 + diagonal))
        slices = ndimage.find_objects(labels)
        assert ours == sorted([x.start, y.start, x.stop - 1, y.stop - 1] for y, x in slices)
