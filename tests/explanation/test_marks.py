from __future__ import annotations

import numpy as np
import pytest

from pylon_zoo.explanation.marks import TRUE_COLOR, draw_box, draw_contour, draw_crosshair


@pytest.mark.parametrize("shade", [0.0, 128.0, 255.0])
def test_the_crosshair_shows_on_any_grey(shade: float) -> None:
    canvas = np.full((512, 512, 3), shade, dtype=np.float32)
    draw_crosshair(canvas, (200.0, 300.0))
    assert canvas.max() - canvas.min() > 100


def test_the_crosshair_leaves_its_pixel_free() -> None:
    canvas = np.full((512, 512, 3), 90.0, dtype=np.float32)
    draw_crosshair(canvas, (200.0, 300.0))
    assert (canvas[296:305, 196:205] == 90).all()
    changed = np.argwhere(canvas[..., 0] != 90)
    assert changed.mean(axis=0) == pytest.approx([300, 200])


@pytest.mark.parametrize("center", [(0.0, 0.0), (-0.5, 0.2), (511.0, 511.0), (511.4, 0.0)])
def test_the_crosshair_may_lie_at_a_corner(center: tuple[float, float]) -> None:
    canvas = np.zeros((512, 512, 3), dtype=np.float32)
    draw_crosshair(canvas, center)
    assert canvas.max() == 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 1024), (1024, 1)])
def test_the_crosshair_fits_degenerate_pictures(shape: tuple[int, int]) -> None:
    canvas = np.zeros((*shape, 3), dtype=np.float32)
    draw_crosshair(canvas, (0.0, 0.0))
    assert np.isfinite(canvas).all()


def test_the_contour_follows_the_level() -> None:
    values = np.broadcast_to(np.linspace(0, 1, 513), (513, 513))
    canvas = np.full((513, 513, 3), 100.0, dtype=np.float32)
    draw_contour(canvas, values, 0.5)
    assert canvas[100, 256, 0] == 255
    assert set(np.flatnonzero(canvas[100, :, 0] != 100)) <= set(range(253, 260))


@pytest.mark.parametrize("values", [np.zeros((9, 9)), np.full((9, 9), 0.5), np.ones((9, 9))])
def test_a_flat_map_has_no_contour(values: np.ndarray) -> None:
    canvas = np.full((9, 9, 3), 100.0, dtype=np.float32)
    draw_contour(canvas, values, 0.5)
    assert (canvas == 100).all()


def test_a_box_is_an_outline_where_it_is() -> None:
    canvas = np.full((512, 512, 3), 90.0, dtype=np.float32)
    draw_box(canvas, (100.0, 200.0, 300.0, 260.0), TRUE_COLOR)
    for row, column in ((200, 150), (260, 150), (230, 100), (230, 300), (200, 100), (260, 300)):
        assert canvas[row, column].tolist() == list(TRUE_COLOR)
    changed = np.argwhere((canvas != 90).any(axis=2))
    assert (changed.min(axis=0) >= [196, 96]).all()
    assert (changed.max(axis=0) <= [264, 304]).all()
    assert (canvas[205:256, 105:296] == 90).all()


@pytest.mark.parametrize("corners", [(-50.0, -50.0, 20.0, 20.0), (-9.0, -9.0, 99.0, 99.0), (70.0, 70.0, 90.0, 90.0)])
def test_a_box_may_leave_the_picture(corners: tuple[float, float, float, float]) -> None:
    canvas = np.full((64, 64, 3), 90.0, dtype=np.float32)
    draw_box(canvas, corners)
    assert np.isfinite(canvas).all()
    assert bool((canvas != 90).any()) == (corners[2] == 20)
