"""Cells and pixels: where grids say they are, and that maps are drawn there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pylon_zoo.cells import CellGrid, corner_aligned, positions, tiling, to_pixels
from pylon_zoo.errors import ConfigError
from pylon_zoo.placements import check_placement

SIDES = st.integers(1, 12)


def drawn(values: np.ndarray, pixels: int, first: float, step: float) -> np.ndarray:
    """One line of a map at pixels by NumPy's interpolation, which repeats the ends."""
    return np.interp(np.arange(pixels), first + step * np.arange(len(values)), values)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 50), st.integers(1, 50), st.floats(-40, 40), st.floats(0.3, 33), st.integers(0, 99))
def test_maps_are_drawn_where_their_grid_says(h, w, height, width, first, step, seed):
    maps = torch.rand(3, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    grid = CellGrid((first, -first / 2), (step, step / 3))
    down = np.stack([drawn(column, height, first, step) for column in maps.transpose(1, 2).reshape(-1, h).numpy()])
    down = torch.from_numpy(down).view(3, w, height).transpose(1, 2)
    both = [drawn(line, width, -first / 2, step / 3) for line in down.reshape(-1, w).numpy()]
    expected = torch.from_numpy(np.stack(both)).view(3, height, width)
    assert torch.allclose(to_pixels(maps, (height, width), grid), expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_without_a_grid_cells_are_tiles_as_in_the_paper(h, w, height, width, seed):
    maps = torch.rand(2, h, w, generator=torch.Generator().manual_seed(seed))
    paper = functional.interpolate(maps[None], (height, width), mode="bilinear", align_corners=False)[0]
    assert torch.equal(to_pixels(maps, (height, width)), paper)
    assert torch.allclose(to_pixels(maps, (height, width), tiling((h, w), (height, width))), paper, atol=1e-6)


def test_a_map_has_the_same_bits_alone_and_in_a_batch():
    maps = torch.randn(37, 7, 5)
    grid = CellGrid((1.3, -0.4), (4.1, 3.9))
    whole = to_pixels(maps, (31, 29), grid)
    assert all(torch.equal(to_pixels(one, (31, 29), grid), full) for one, full in zip(maps, whole, strict=True))


def test_a_cell_keeps_its_value_at_its_centre():
    maps = torch.randn(4, 6)
    full = to_pixels(maps, (32, 48), CellGrid((3.0, 2.0), (5.0, 8.0)))
    assert torch.equal(full[3:19:5, 2:43:8], maps)


def test_another_size_shows_the_same_places():
    grid = CellGrid((3.0, 0.0), (8.0, 32.0))
    there_and_back = grid.scaled((160, 192), (320, 100)).scaled((320, 100), (160, 192))
    assert np.allclose([grid.first, grid.step], [there_and_back.first, there_and_back.step])
    assert tiling((5, 6), (160, 192)).scaled((160, 192), (40, 60)) == tiling((5, 6), (40, 60))


def test_subdivided_cells_have_their_cell_in_the_middle():
    grid = CellGrid((15.5, 0.0), (32.0, 32.0))
    fine = grid.subdivided(8)
    rows = [fine.centre(row, 0)[0] for row in range(8, 16)]
    assert np.mean(rows) == grid.centre(1, 0)[0]
    assert grid.subdivided(1) == grid


def test_corner_aligned_cells_are_those_of_align_corners():
    grid = CellGrid((7.0, 7.0), (32.0, 32.0))
    fine = corner_aligned(grid, (8, 1), (20, 20), (256, 30))
    line = functional.interpolate(torch.arange(8.0).view(1, 1, 8, 1), (20, 1), mode="bilinear", align_corners=True)
    places = [fine.centre(row, 0)[0] for row in range(20)]
    assert np.allclose(places, 7 + 32 * line.flatten().numpy(), atol=1e-4)
    assert (fine.first[1], fine.step[1]) == (0.25, 1.5)  # one cell: tiles


def test_positions_undo_grids():
    fine, coarse = CellGrid((3.0, 1.5), (4.0, 4.0)), CellGrid((7.0, 3.5), (8.0, 8.0))
    for axis, (first, step) in enumerate(positions(fine, among=coarse)):
        for cell in range(4):
            there = coarse.first[axis] + coarse.step[axis] * (first + step * cell)
            assert there == fine.first[axis] + fine.step[axis] * cell


@pytest.mark.parametrize("placement", ["half-pixel", "", None, True])
def test_a_wrong_placement_is_answered_in_a_sentence(placement):
    with pytest.raises(ConfigError, match=r"^placement=.* is not valid; give 'exact', .* or 'paper', [^.]*\.$"):
        check_placement(placement)
