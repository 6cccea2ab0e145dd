from __future__ import annotations

import torch

from pylon_zoo.data.boxes import box_area_fractions, box_areas, clip_boxes, contains, scale_boxes, xywh_to_xyxy
from pylon_zoo.data.sample import no_boxes

BOXES = torch.tensor([[0.0, 10.0, 20.0, 30.0, 60.0], [4.0, -5.0, 0.0, 5.0, 200.0]])


def test_corner_and_extent_become_two_corners():
    assert xywh_to_xyxy(torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0]])).tolist() == [
        [1, 2, 4, 6],
        [0, 0, 1, 1],
    ]


def test_scaling_takes_height_first_and_leaves_the_class():
    scaled = scale_boxes(BOXES, (100, 200), (50, 400))
    assert scaled.tolist() == [[0, 20, 10, 60, 30], [4, -10, 0, 10, 100]]
    assert BOXES[0].tolist() == [0, 10, 20, 30, 60]


def test_clipping_to_height_and_width():
    assert clip_boxes(BOXES, (50, 25)).tolist() == [[0, 10, 20, 25, 50], [4, 0, 0, 5, 50]]
    gone = clip_boxes(torch.tensor([[0.0, 30.0, 5.0, 40.0, 9.0]]), (50, 25))
    assert box_areas(gone).tolist() == [0]


def test_areas():
    assert box_areas(BOXES).tolist() == [800, 2000]
    assert box_area_fractions(BOXES, (100, 64)).tolist() == [0.125, 0.3125]


def test_the_border_belongs_to_the_box():
    for x, y, inside in [
        (10, 20, True),
        (30, 60, True),
        (9, 30, False),
        (31, 30, False),
        (20, 61, False),
        (20, 19, False),
    ]:
        assert contains(BOXES, 0, x, y) is inside
    assert not contains(BOXES, 1, 20, 30)


def test_any_box_of_the_class_counts():
    two = torch.tensor([[3.0, 0.0, 0.0, 1.0, 1.0], [3.0, 8.0, 8.0, 9.0, 9.0]])
    assert contains(two, 3, 8, 9)


def test_no_boxes_go_through_everything():
    none = no_boxes()
    assert scale_boxes(none, (4, 4), (8, 8)).shape == clip_boxes(none, (4, 4)).shape == (0, 5)
    assert box_area_fractions(none, (4, 4)).shape == (0,)
    assert not contains(none, 0, 0, 0)
