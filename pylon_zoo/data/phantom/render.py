"""From (seed, index) to a labelled picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pylon_zoo.data.drawing import Array, pixel_centres, stream
from pylon_zoo.data.drawn import MIN_SIZE, Drawing, check_least
from pylon_zoo.data.phantom import nuisance
from pylon_zoo.data.phantom.anatomy import Anatomy, sample_anatomy
from pylon_zoo.data.phantom.chest import draw_chest
from pylon_zoo.data.phantom.findings import CLASSES, FINDINGS
from pylon_zoo.data.phantom.placement import Box, Planned
from pylon_zoo.errors import UnknownNameError, suggest

PREVALENCE = 0.19
# Streams of randomness under one (seed, index); each finding has its own after these.
LABELS, ANATOMY, EXPOSURE, TEXTURE, SPOTS, OBJECTS, MARKERS, NOISE, FIRST_FINDING = range(9)


@dataclass(frozen=True, slots=True)
class Phantom(Drawing):
    """A drawn chest radiograph, its labels (the findings of `CLASSES`) and their boxes.

    Example:
        >>> phantom = render(0, 5, 64, findings=["Nodule"])
        >>> phantom.image.shape, phantom.labels.sum().item(), phantom.boxes.shape[1]
        ((64, 64), 1.0, 5)
    """


def sample_labels(seed: int, index: int) -> Array:
    """Which findings image `index` shows, without drawing it.

    Args:
        seed: of the collection, not negative.
        index: of the image, not negative.

    Returns:
        (K,) float32 of 0 and 1, each finding independently present with probability 0.19.

    Example:
        >>> sample_labels(0, 0).shape
        (8,)
    """
    return (stream(seed, index, LABELS).random(len(CLASSES)) < PREVALENCE).astype(np.float32)


def render(seed: int, index: int, size: int, findings: Iterable[str] | None = None) -> Phantom:
    """Draw one phantom; the same arguments always give the same picture.

    Pixels are the same to the bit on one machine. Between machines whose numpy computes powers and sines
    differently in the last bit, a grey value may differ by one.

    Args:
        seed: of the collection, not negative.
        index: of the image, not negative; any order of asking is fine.
        size: side of the image in pixels, at least 32; the scene does not depend on it, only the noise does.
        findings: exactly these findings instead of the sampled ones; everything else stays as it was.

    Returns:
        The picture, its labels and its boxes.

    Raises:
        ConfigError: negative seed or index, or a size under 32.
        UnknownNameError: a finding that is not in `CLASSES`.

    Example:
        >>> render(0, 3, 64, findings=["Nodule"]).labels.tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    grey, labels, boxes = render_grey(seed, index, size, findings)
    image = np.clip(grey * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
    return Phantom(image, labels, boxes)


def render_grey(seed: int, index: int, size: int, findings: Iterable[str] | None = None) -> tuple[Array, Array, Array]:
    """As `render`, before quantisation: (H, W) float32 around [0, 1], labels, boxes."""
    check_least("A phantom's {}", seed=(seed, 0), index=(index, 0), size=(size, MIN_SIZE))
    labels = sample_labels(seed, index) if findings is None else _labels_of(findings)
    anatomy = sample_anatomy(stream(seed, index, ANATOMY))
    exposure = nuisance.sample_exposure(stream(seed, index, EXPOSURE))
    layers = draw_chest(anatomy, size)
    nuisance.add_texture(stream(seed, index, TEXTURE), layers.density)
    nuisance.add_spots(stream(seed, index, SPOTS), anatomy, layers)

    planned = plan_findings(seed, index, anatomy, labels)
    for _, one in planned:
        one.paint(layers.window(one.box))
    boxes = np.array([(number, *(edge * size for edge in one.box)) for number, one in planned], np.float32)

    layers.density += nuisance.overlay(stream(seed, index, OBJECTS), anatomy, size)
    centres = pixel_centres(size) - 0.5
    across, down = exposure.tilt
    layers.density *= 1.0 + across * centres[None, :] + down * centres[:, None]
    grey = nuisance.develop(layers.density, exposure)
    markers = stream(seed, index, MARKERS)
    nuisance.collimate(markers, grey)
    nuisance.stamp(markers, grey)
    nuisance.add_noise(stream(seed, index, NOISE), grey, exposure.grain)
    return grey, labels, boxes.reshape(-1, 5)


def plan_findings(seed: int, index: int, anatomy: Anatomy, labels: Array) -> list[tuple[int, Planned]]:
    """Where the findings of an image lie, as pairs of class index and instance, in the order of painting.

    Absent findings are planned too, as far as a later present one may have to look for the place they leave: so
    presence moves nothing.
    """
    planned: list[tuple[int, Planned]] = []
    taken: list[Box] = []
    last = max(np.flatnonzero(labels), default=-1)
    for number, plan in list(enumerate(FINDINGS.values()))[: last + 1]:
        instances = plan(stream(seed, index, FIRST_FINDING + number), anatomy, taken)
        taken += [one.box for one in instances]
        planned += [(number, one) for one in instances if labels[number]]
    return planned


def _labels_of(findings: Iterable[str]) -> Array:
    labels = np.zeros(len(CLASSES), np.float32)
    for name in findings:
        if name not in CLASSES:
            raise UnknownNameError(
                f"Phantoms have no finding '{name}'.{suggest(name, CLASSES)} They have {', '.join(CLASSES)}."
            )
        labels[CLASSES.index(name)] = 1.0
    return labels
