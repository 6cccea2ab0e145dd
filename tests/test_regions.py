"""Connected regions against scikit-image, SciPy and OpenCV."""

from __future__ import annotations

from importlib import import_module

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pylon_zoo.regions import boxes_of_holes, boxes_of_regions

masks = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000), st.floats(0.1, 0.9))


def mask_of(case: tuple[int, int, int, float]) -> torch.Tensor:
    height, width, seed, share = case
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < share


def test_by_hand():
    mask = torch.tensor([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    assert boxes_of_regions(mask).tolist() == [[0, 0, 1, 1], [4, 0, 4, 1], [0, 3, 4, 3]]
    assert boxes_of_regions(mask, diagonal=False).tolist() == [[0, 0, 0, 0], [4, 0, 4, 1], [1, 1, 1, 1], [0, 3, 4, 3]]
    assert boxes_of_regions(torch.zeros(3, 2, dtype=torch.bool)).shape == (0, 4)


def test_a_line_does_not_run_into_the_next():
    mask = torch.tensor([[0, 0, 1], [1, 0, 0]], dtype=torch.bool)
    assert boxes_of_regions(mask).tolist() == [[2, 0, 2, 0], [0, 1, 0, 1]]


@settings(max_examples=60, deadline=None)
@given(case=masks, diagonal=st.booleans())
def test_regions_agree_with_scikit_image_and_scipy(case, diagonal):
    measure, ndimage = import_module("skimage.measure"), import_module("scipy.ndimage")
    mask = mask_of(case)
    ours = sorted(boxes_of_regions(mask, diagonal).tolist())
    found = measure.regionprops(measure.label(mask.numpy(), connectivity=1 + diagonal))
    assert ours == sorted([x0, y0, x1 - 1, y1 - 1] for y0, x0, y1, x1 in (region.bbox for region in found))
    labels, _ = ndimage.label(mask.numpy(), ndimage.generate_binary_structure(2, 1 + diagonal))
    slices = ndimage.find_objects(labels)
    assert ours == sorted([x.start, y.start, x.stop - 1, y.stop - 1] for y, x in slices)


@settings(max_examples=60, deadline=None)
@given(case=masks)
def test_regions_and_holes_are_the_contours_of_opencv(case):
    cv2 = import_module("cv2")
    mask = mask_of(case)
    contours, _ = cv2.findContours(mask.numpy().astype("uint8") * 255, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    theirs = sorted([x, y, x + w - 1, y + h - 1] for x, y, w, h in map(cv2.boundingRect, contours))
    assert sorted(torch.cat([boxes_of_regions(mask), boxes_of_holes(mask)]).tolist()) == theirs
