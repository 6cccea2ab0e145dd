"""From (seed, index) to a labelled picture."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi, sin

import numpy as np

from pylon_zoo.data.cluttered_digits.glyphs import CLASSES, choose, fragment, glyphs
from pylon_zoo.data.cluttered_digits.marks import HEIGHTS, Mark, blend, paint, place
from pylon_zoo.data.drawing import (
    Array,
    pixel_centres,
    pixels_between,
    ridge,
    smoothstep,
    stream,
    value_noise,
)
from pylon_zoo.data.drawn import COUNTS, MIN_SIZE, Drawing, check_least
from pylon_zoo.errors import UnknownNameError

PREVALENCE = 0.19
# Streams of randomness under one (seed, index).
LABELS, BACKGROUND, CLUTTER, DIGITS, NOISE = range(5)


def sample_labels(seed: int, index: int) -> Array:
    """Which digits image `index` shows, without drawing it.

    Args:
        seed: of the split's streams, not negative.
        index: of the image, not negative.

    Returns:
        (10,) float32 of 0 and 1, each digit independently present with probability 0.19.

    Example:
        >>> sample_labels(0, 0).shape
        (10,)
    """
    return (stream(seed, index, LABELS).random(len(CLASSES)) < PREVALENCE).astype(np.float32)


def render(seed: int, index: int, size: int, digits: Iterable[str] | None = None) -> Drawing:
    """Draw one picture; the same arguments always give the same one.

    Args:
        seed: of the split's streams (`ClutteredDigits.stream_seed`), not negative; its remainder by 3 says whose
            handwriting is used: 0 the training split's, 1 the validation split's, 2 the test split's.
        index: of the image, not negative; any order of asking is fine.
        size: side of the image in pixels, at least 32; the scene does not depend on it, only the noise does.
        digits: exactly these instead of the sampled ones; everything but digits stays as it was.

    Returns:
        The picture, its labels and its boxes.

    Raises:
        ConfigError: negative seed or index, or a size under 32.
        UnknownNameError: a digit that is not in `CLASSES`.
        MissingDependencyError: scikit-learn, which brings the digits, is not installed.

    Example:
        >>> render(0, 3, 64, digits="17").labels.nonzero()[0].tolist()
        [1, 7]
    """
    check_least("The {} of cluttered digits", seed=(seed, 0), index=(index, 0), size=(size, MIN_SIZE))
    labels = sample_labels(seed, index) if digits is None else labels_of(digits)
    classes = glyphs()[seed % len(COUNTS)]
    fragments = plan_fragments(seed, index, classes)
    planned = plan_digits(seed, index, classes, labels, fragments)
    grey, level = background(seed, index, size)
    for mark in fragments + [mark for _, mark in planned]:
        paint(mark, grey, level)
    noise = stream(seed, index, NOISE)
    grey += np.float32(noise.uniform(0.01, 0.04)) * noise.standard_normal(grey.shape, dtype=np.float32)
    image = np.clip(grey * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
    boxes = np.array([(digit, *(edge * size for edge in mark.box)) for digit, mark in planned], np.float32)
    return Drawing(image, labels, boxes.reshape(-1, 5))


def labels_of(digits: Iterable[str]) -> Array:
    """(10,) float32, 1 for each of these digits."""
    labels = np.zeros(len(CLASSES), np.float32)
    for name in digits:
        if name not in CLASSES:
            raise UnknownNameError(f"There is no digit '{name}': one of {', '.join(CLASSES)}.")
        labels[CLASSES.index(name)] = 1.0
    return labels


def plan_fragments(seed: int, index: int, classes: tuple[Array, ...]) -> list[Mark]:
    """The fragments of an image, of these handwritten digits: the same whichever digits it shows."""
    rng = stream(seed, index, CLUTTER)
    fragments: list[Mark] = []
    for _ in range(int(rng.integers(1, 4))):
        fragments.append(place(rng, fragment(rng, classes), rng.uniform(*HEIGHTS), fragments))
    return fragments


def plan_digits(
    seed: int, index: int, classes: tuple[Array, ...], labels: Array, fragments: list[Mark]
) -> list[tuple[int, Mark]]:
    """The digits of an image with their classes, in any order: of each present class one, in a quarter of cases two."""
    rng = stream(seed, index, DIGITS)
    planned: list[tuple[int, Mark]] = []
    for digit in rng.permutation(np.flatnonzero(labels)).tolist():
        for _ in range(1 + int(rng.random() < 0.25)):
            taken = fragments + [mark for _, mark in planned]
            planned.append((digit, place(rng, choose(rng, classes[digit]), rng.uniform(*HEIGHTS), taken)))
    return planned


def background(seed: int, index: int, size: int) -> tuple[Array, float]:
    """(size, size) uneven grey with thin curved strokes, and its mean without them."""
    rng = stream(seed, index, BACKGROUND)
    level, centres = float(rng.uniform(0.15, 0.45)), pixel_centres(size)
    grey = np.full((size, size), level, np.float32)
    for cells, amount in ((4, 0.10), (12, 0.05)):
        grey += amount * value_noise(rng.uniform(-1.0, 1.0, (cells, cells)).astype(np.float32), centres, centres)
    for _ in range(int(rng.integers(2, 6))):
        stroke(rng, grey, level)
    return grey, level


def stroke(rng: np.random.Generator, grey: Array, level: float) -> None:
    """Paint an arc of a circle, from nearly straight to half round: thinner than a digit's line."""
    radius, bend = float(rng.uniform(0.06, 0.5)), float(rng.uniform(0.1, 0.45))
    x, y = rng.uniform(-0.3, 1.3, 2).tolist()
    direction = rng.uniform(-pi, pi)
    width, contrast = float(rng.uniform(0.008, 0.016)), float(rng.uniform(0.15, 0.45))
    centres = pixel_centres(len(grey))
    columns, rows = (pixels_between(one - radius - width, one + radius + width, len(grey)) for one in (x, y))
    across, down = centres[columns][None, :] - np.float32(x), centres[rows][:, None] - np.float32(y)
    line = ridge(np.sqrt(across * across + down * down) - np.float32(radius), width)
    ahead = across * np.float32(cos(direction)) + down * np.float32(sin(direction))
    blend(
        grey[rows, columns], line * smoothstep((ahead - np.float32(radius * cos(pi * bend))) * 60.0), level + contrast
    )
