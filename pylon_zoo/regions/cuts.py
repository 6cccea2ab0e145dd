"""The connected regions of maps at all thresholds at once: the tree that they form as the threshold falls.

Every peak grows as the threshold falls, until it meets a higher one and becomes part of it. Which peaks meet at which
saddle is found for all of them at once, by cutting off again and again all peaks but the highest around (Carr, Weber,
Sewell and Ahrens 2016, "Parallel peak pruning for scalable SMP contour tree computation"). There is no loop over
thresholds, pixels or maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.regions.forest import changes, framed, roots

TOP = 255
"""The highest value of a map."""
FAR = np.iinfo(np.int64).max


class Cuts(NamedTuple):
    """Regions of P maps at all cuts: each keeps its box for all `low` ≤ cut < `high`.

    Attributes:
        owners: (R,) int64, the map.
        low, high: (R,) int64 in [0, 255].
        boxes: (R, 4) int64 x0, y0, x1, y1, first and last pixel.

    Example:
        >>> cuts = regions_of_cuts(torch.tensor([[[9, 0, 7]]], dtype=torch.uint8))
        >>> cuts.high.tolist(), cuts.boxes.tolist()
        ([9, 7], [[0, 0, 0, 0], [2, 0, 2, 0]])
    """

    owners: Tensor
    low: Tensor
    high: Tensor
    boxes: Tensor


class Peaks(NamedTuple):
    """B peaks of a stack of maps; one that is cut off goes on as part of its parent.

    Attributes:
        places: (B,) int64 flat place of each.
        saddle: (B,) int64, the value at which it is cut off; 0 for the highest of a region, which never is.
        parent: (B,) int64, a higher one that it meets there; itself where it is never cut off.
        rounds: the peaks that were cut off, after those that are part of them.
    """

    places: np.ndarray
    saddle: np.ndarray
    parent: np.ndarray
    rounds: Sequence[np.ndarray]

    def at(self, peaks: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Which peak some peaks (n,) are part of at their values (n,): themselves, or the one they have met."""
        peaks = peaks.copy()
        lower = np.flatnonzero(self.saddle.take(peaks) >= values)
        while len(lower):
            met = self.parent.take(peaks.take(lower))
            peaks[lower] = met
            lower = lower.take(np.flatnonzero(self.saddle.take(met) >= values.take(lower)))
        return peaks


def regions_of_cuts(maps: Tensor, diagonal: bool = True) -> Cuts:
    """The bounding boxes of the connected regions of {map > cut} for every cut from 0 to 254.

    Args:
        maps: (P, H, W) uint8 on the CPU.
        diagonal: whether pixels that share only a corner are connected (8-connected regions) or not (4-connected).

    Returns:
        At most one for every pixel.

    Example:
        >>> found = regions_of_cuts(torch.tensor([[[9, 5, 7, 0]]], dtype=torch.uint8))
        >>> [(low, high, box) for _, low, high, box in zip(*(each.tolist() for each in found))]
        [(5, 9, [0, 0, 0, 0]), (0, 5, [0, 0, 2, 0]), (5, 7, [2, 0, 2, 0])]
    """
    frame = framed(maps.numpy())
    _, height, stride = frame.shape
    flat = frame.ravel()
    steps = (1, stride - 1, stride, stride + 1) if diagonal else (1, stride)
    peaks, slopes = _find_peaks(flat, steps)
    places = np.flatnonzero(flat)
    values = flat[places].astype(np.int64)
    lines, columns = np.divmod(places, stride)
    owners, high, boxes = _grow(peaks, peaks.at(slopes[places], values), values, columns, lines)

    # A region keeps its box until its peak gains a pixel at the next value, or is cut off.
    low = np.append(high[1:], 0)[: len(high)]
    ends = changes(owners)[1:] - 1
    low[ends], low[-1:] = peaks.saddle[owners[ends]], peaks.saddle[owners[-1:]]
    owners = peaks.places[owners] // (stride * height)
    boxes[:, 1::2] -= (owners * height + 1)[:, None]
    return Cuts(*map(torch.from_numpy, (owners, low, high, boxes)))


def holes_of_cuts(maps: Tensor) -> Cuts:
    """The bounding boxes of the rims of all holes: set pixels around a 4-connected region of {map ≤ cut}.

    Args:
        maps: (P, H, W) uint8 on the CPU.

    Returns:
        As of `regions_of_cuts`. Unset pixels that reach the map's edge are no hole.

    Example:
        >>> found = holes_of_cuts(torch.tensor([[[9, 9, 9], [9, 4, 9], [9, 9, 8]]], dtype=torch.uint8))
        >>> [(low, high, box) for _, low, high, box in zip(*(each.tolist() for each in found))]
        [(4, 9, [0, 0, 2, 2])]
    """
    found = regions_of_cuts(TOP - maps, diagonal=False)
    edge = torch.tensor([maps.shape[2] - 1, maps.shape[1] - 1])
    within = ((found.boxes[:, :2] > 0) & (found.boxes[:, 2:] < edge)).all(dim=1)
    owners, low, high, boxes = (each[within] for each in found)
    return Cuts(owners, TOP - high, TOP - low, boxes + torch.tensor([-1, -1, 1, 1]))


def _find_peaks(flat: np.ndarray, steps: Sequence[int]) -> tuple[Peaks, np.ndarray]:
    """The peaks, and for each pixel (n,) the one that lies uphill; that of an empty pixel means nothing."""
    # Uphill is the neighbour with the highest value, of equal ones the last, so that plateaus have no circles. A
    # plateau may so have several peaks; they meet where they are and stay without pixels.
    ranks = flat * np.int64(len(flat)) + np.arange(len(flat))
    uphill = ranks.copy()
    for step in steps:
        np.maximum(uphill[:-step], ranks[step:], out=uphill[:-step])
        np.maximum(uphill[step:], ranks[:-step], out=uphill[step:])
    summits = roots(uphill % max(1, len(flat)))
    places = np.flatnonzero((summits == np.arange(len(flat))) & (flat > 0))
    numbers = np.zeros(len(flat), dtype=np.int64)
    numbers[places] = np.arange(len(places))
    slopes = numbers.take(summits)
    return _prune(places, *_passes(flat, slopes, steps)), slopes


def _passes(flat: np.ndarray, slopes: np.ndarray, steps: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours on the slopes of two peaks: both peaks and the lower value, the lowest first."""
    found = []
    for step in steps:
        one, other, height = slopes[:-step], slopes[step:], np.minimum(flat[:-step], flat[step:])
        between = np.flatnonzero((one != other) & (height > 0))
        found.append((one.take(between), other.take(between), height.take(between)))
    one, other, height = map(np.concatenate, zip(*found, strict=True))
    # Of several passes between the same two peaks the highest counts.
    count = len(flat)
    keys = (np.minimum(one, other) * count + np.maximum(one, other)) * (TOP + 1) + TOP - height
    keys.sort()
    pairs, height = np.divmod(keys, TOP + 1)
    highest = changes(pairs)
    height = TOP - height[highest]
    order = np.argsort(height, kind="stable")
    one, other = np.divmod(pairs[highest[order]], count)
    return one, other, height[order]


def _prune(places: np.ndarray, one: np.ndarray, other: np.ndarray, height: np.ndarray) -> Peaks:
    """Cut off, round by round, every peak at its highest pass; of two that share theirs, one stays."""
    count = len(places)
    saddle, parent, rounds = np.zeros(count, dtype=np.int64), np.arange(count), []
    while len(one):
        highest = np.full(count, -1)
        for ends in (one, other):
            last = np.full(count, -1)
            last[ends] = np.arange(len(ends))  # of equal places the last value stays, and that is the highest pass
            highest = np.maximum(highest, last)
        left = np.flatnonzero(highest >= 0)
        way = highest[left]
        beyond = one[way] + other[way] - left
        cut = (highest[beyond] != way) | (beyond < left)
        left, way, beyond = left[cut], way[cut], beyond[cut]
        # Passes only rise on the way from peak to peak, so all of them have met the last one by then.
        joined = np.arange(count)
        joined[left] = beyond
        joined = roots(joined)
        saddle[left], parent[left] = height[way], joined[left]
        rounds.append(left)
        one, other = joined.take(one), joined.take(other)
        apart = np.flatnonzero(one != other)
        one, other, height = one.take(apart), other.take(apart), height.take(apart)
    return Peaks(places, saddle, parent, rounds)


def _grow(
    peaks: Peaks, owners: np.ndarray, values: np.ndarray, columns: np.ndarray, lines: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The boxes of peaks at each value at which they gain pixels or a peak, the highest value first.

    Returns:
        owners (R,), the peak; values (R,); boxes (R, 4), all int64.
    """
    corners = np.stack([columns, lines, -columns, -lines])  # the lowest of each count
    whole = np.full((4, len(peaks.places)), FAR)
    for corner, of_peaks in zip(corners, whole, strict=True):
        np.minimum.at(of_peaks, owners, corner)
    gains = [(owners, values, corners)]
    for cut in peaks.rounds:
        saddle = peaks.saddle[cut]
        gaining = peaks.at(peaks.parent[cut], saddle)
        for of_peaks in whole:
            np.minimum.at(of_peaks, gaining, of_peaks[cut])
        gains.append((gaining, saddle, whole[:, cut]))
    owners, values, corners = (np.concatenate(each, axis=-1) for each in zip(*gains, strict=True))

    keys = owners * (TOP + 1) + TOP - values
    order = np.argsort(keys)
    keys = keys[order]
    begins = changes(keys)
    if not len(begins):
        return keys, keys, np.zeros((0, 4), dtype=np.int64)
    corners = np.minimum.reduceat(corners.take(order, axis=1), begins, axis=1)
    owners, values = np.divmod(keys[begins], TOP + 1)
    # What came before in the same peak belongs to it; each peak's numbers lie below those of the one before.
    apart = owners * (2 * int(np.abs(corners).max()) + 1)
    corners = np.minimum.accumulate(corners - apart, axis=1) + apart
    return owners, TOP - values, np.stack([corners[0], corners[1], -corners[2], -corners[3]], axis=1)
