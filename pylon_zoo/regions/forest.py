"""Numbered things that point to one another until they reach a root, which points to itself; all on arrays."""

from __future__ import annotations

import numpy as np


def roots(parents: np.ndarray) -> np.ndarray:
    """The root of each of n things, by pointer jumping: log₂ of the longest way in steps.

    Args:
        parents: (n,) int64, without circles.

    Returns:
        (n,) int64.

    Example:
        >>> roots(np.array([0, 0, 1, 3])).tolist()
        [0, 0, 0, 3]
    """
    while True:
        beyond = parents.take(parents)
        if np.array_equal(beyond, parents):
            return parents
        parents = beyond


def join(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The lowest thing that each of n things is connected to.

    In each round all roots point to the lowest root that they touch. (Shiloach and Vishkin 1982, "An O(log n) parallel
    connectivity algorithm".)

    Args:
        count: n.
        one, other: (E,) int64, the things that touch.

    Returns:
        (n,) int64.

    Example:
        >>> join(4, np.array([3, 1]), np.array([1, 0])).tolist()
        [0, 0, 2, 0]
    """
    lowest = np.arange(count)
    while len(one):
        low, high = np.minimum(one, other), np.maximum(one, other)
        np.minimum.at(lowest, high, low)
        lowest = roots(lowest)
        one, other = lowest[low], lowest[high]
        apart = one != other
        one, other = one[apart], other[apart]
    return lowest


def changes(values: np.ndarray) -> np.ndarray:
    """Where a new value begins, (number of stretches,) int64.

    Example:
        >>> changes(np.array([4, 4, 7, 4])).tolist()
        [0, 2, 3]
    """
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]]))


def framed(maps: np.ndarray) -> np.ndarray:
    """Maps (P, H, W) as (P, H + 1, W + 1) with an empty row above and an empty column on the right.

    In the flat array each pixel's neighbours are then at fixed steps, and across a border there is always an empty one.
    """
    count, height, width = maps.shape
    frame = np.zeros((count, height + 1, width + 1), dtype=maps.dtype)
    frame[:, 1:, :width] = maps
    return frame
