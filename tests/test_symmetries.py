"""The eight symmetries of the square."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.symmetries import dihedral, undo_dihedral

MAPS = torch.arange(12).view(1, 1, 3, 4)


@pytest.mark.parametrize("k", range(8))
def test_undone(k: int):
    assert undo_dihedral(dihedral(MAPS, k), k).equal(MAPS)


@pytest.mark.parametrize("k", range(8))
def test_shape(k: int):
    assert dihedral(MAPS, k).shape == ((1, 1, 4, 3) if k & 4 else (1, 1, 3, 4))


def test_all_are_different():
    square = torch.arange(9).view(3, 3)
    assert len({tuple(dihedral(square, k).flatten().tolist()) for k in range(8)}) == 8


def test_by_name():
    assert dihedral(MAPS, 0) is MAPS
    assert dihedral(MAPS, 1).equal(MAPS.flip(-1))
    assert dihedral(MAPS, 3).equal(torch.rot90(MAPS, 2, (-2, -1)))
    assert dihedral(MAPS, 5).equal(torch.rot90(MAPS, -1, (-2, -1)))
    assert dihedral(MAPS, 6).equal(torch.rot90(MAPS, 1, (-2, -1)))
