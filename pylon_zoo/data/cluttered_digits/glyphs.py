"""The handwritten digits, shared out to the splits, and what is made of them that is no digit."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pylon_zoo.data.drawing import Array
from pylon_zoo.optional import require

CLASSES = tuple("0123456789")
"""The ten digits, in the order of targets."""


@lru_cache(maxsize=1)
def glyphs() -> tuple[tuple[Array, ...], ...]:
    """The handwritten digits: for each split of `COUNTS`, for each class, (n, 8, 8) float32 in [0, 1].

    Of every nine in a row one is for validation and two are for the test; nine and the ten classes, which begin in
    order, have no common factor.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    source = require("sklearn.datasets", extra="train").load_digits()
    images = (source.images / 16).astype(np.float32)
    turn = np.arange(len(images)) % 9
    return tuple(
        tuple(images[mine & (source.target == digit)] for digit in range(len(CLASSES)))
        for mine in (turn > 2, turn == 0, (turn == 1) | (turn == 2))
    )


def fragment(rng: np.random.Generator, classes: tuple[Array, ...]) -> Array:
    """(8, 8) quarters of four digits, each turned and in another corner than its own: locally ink, as a whole none."""
    step = int(rng.integers(1, 4))
    pattern = np.empty((8, 8), np.float32)
    for corner in range(4):
        glyph = choose(rng, classes[int(rng.integers(len(classes)))])
        (row, column), (to_row, to_column) = divmod(corner, 2), divmod((corner + step) % 4, 2)
        quarter = glyph[4 * row :, 4 * column :][:4, :4]
        pattern[4 * to_row :, 4 * to_column :][:4, :4] = np.rot90(quarter, int(rng.integers(1, 4)))
    return pattern


def choose(rng: np.random.Generator, several: Array) -> Array:
    """One of several patterns."""
    one: Array = several[int(rng.integers(len(several)))]
    return one
