"""The healthy chest as a picture: how much it attenuates at every pixel.

Density is additive, as path lengths are: 0 is air around the patient, about 0.3 aerated lung, about 1 the abdomen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pylon_zoo.data.drawing import Array, inside, join, pixel_centres, pixels_between, ridge, smoothstep
from pylon_zoo.data.phantom.anatomy import Anatomy
from pylon_zoo.data.phantom.vessels import draw_vessels

LUNG_DARKNESS = 0.52
WAIST = 0.045  # over this length heart and great vessels flow into each other
LAYER_NAMES = ("x", "y", "density", "air", "lung", "vessels", "middle", "centre")


@dataclass(slots=True)
class Layers:
    """The chest on pixels, in the parts that findings need; every array is (H, W) float32.

    Attributes:
        x: patient-frame x of each pixel.
        y: patient-frame y of each pixel.
        density: attenuation, all parts together; the findings change this in place.
        air: what the lungs take away from the density.
        lung: 1 in the lungs, 0 elsewhere, heart and mediastinum cut out.
        vessels: what the lung vessels add.
        middle: how deep inside the mediastinum, negative outside, without the heart.
        centre: the silhouette of heart and mediastinum.
    """

    x: Array
    y: Array
    density: Array
    air: Array
    lung: Array
    vessels: Array
    middle: Array
    centre: Array

    def window(self, box: tuple[float, float, float, float]) -> Layers:
        """Views of the pixels in a box of image coordinates [0, 1]: writing into them writes into the whole."""
        x0, y0, x1, y1 = box
        rows, columns = (
            pixels_between(low, high, side) for low, high, side in zip((y0, x0), (y1, x1), self.x.shape, strict=True)
        )
        return Layers(*(getattr(self, name)[rows, columns] for name in LAYER_NAMES))


def draw_chest(a: Anatomy, size: int) -> Layers:
    """Draw the healthy chest.

    Args:
        a: the patient.
        size: side of the square image in pixels.
    """
    centres = pixel_centres(size)
    x, y = a.pose.to_patient(centres[None, :], centres[:, None])
    side, lateral = np.abs(x), a.lateral(y)

    abdomen = inside(y - a.dome(x), 0.010)
    apical = side - 0.13
    cavity = inside(lateral - side, 0.010) * inside(y - a.apex - 0.9 * apical * apical, 0.02) * (1.0 - abdomen)
    middle = _mediastinum(a, x - a.axis(y), y)
    heart = a.heart.distance(x, y)
    centre = inside(join(middle, heart, WAIST), a.heart.softness)
    lung = cavity * (1.0 - centre)

    # Lungs are deepest between the wall and the midline, and thin at the top: so is the density they take away.
    shallow = 1.0 - np.clip((lateral - side) * (1.0 / (0.45 * a.width)), 0.0, 1.0)
    depth = (1.0 - 0.38 * shallow * shallow) * np.clip(0.84 + 0.55 * (y - a.apex), 0.0, 1.12)
    air = LUNG_DARKNESS * lung * depth

    wall = side * (1.0 / (a.width + a.fat))
    wall *= wall
    density = (a.thickness + 0.24) - 0.05 * wall * (1.0 + wall) + 0.20 * y
    density += 0.12 * abdomen * inside(a.width + 0.4 * a.fat - side, 0.06)
    density += 0.14 * centre * (1.0 - 0.8 * abdomen) * inside(y - a.apex - 0.05, 0.10)
    density += a.heart.density * np.sqrt(np.clip(heart * (1.3 / a.heart.short), 0.0, 1.0))
    density += _ribs(a, y, side, lateral)
    density *= _body(a, y, side)
    density -= air
    vessels = draw_vessels(a.vessels, a.pose, size) * lung
    density += vessels
    layers = Layers(x, y, density, air, lung, vessels, middle, centre)
    for (x0, y0, x1, y1), add in LOCAL_PARTS:
        u, v = a.pose.to_image(np.array((x0, x1, x0, x1)), np.array((y0, y0, y1, y1)))
        add(a, layers.window((float(u.min()), float(v.min()), float(u.max()), float(v.max()))))
    return layers


def _body(a: Anatomy, y: Array, side: Array) -> Array:
    """Skin line: neck flowing into the shoulders, torso, and the upper arms beside it."""
    out = np.clip(side - 0.05, 0.0, 1.0)
    top = a.shoulder + 0.42 * out * out - 0.0042 / np.clip(side - 0.055, 0.004, 1.0)
    flare = np.clip(0.10 - y, 0.0, 1.0)
    torso = inside(a.width + a.fat + 0.01 + 2.3 * flare * flare - side, 0.035)
    arm = 0.66 * inside(0.052 - np.abs(side - 0.53 - 0.14 * y), 0.025)
    limbs: Array = np.maximum(torso, arm)
    skin: Array = inside(y - top, 0.028)
    return limbs * skin


def _mediastinum(a: Anatomy, centred: Array, y: Array) -> Array:
    """Depth inside the great vessels' and the spine's shadow, with the aortic knob on the patient's left."""
    low = np.clip((y + 0.34) * (1.0 / 0.5), 0.0, 1.0)
    column = a.mediastinum - 0.012 + 0.045 * low * low - np.abs(centred)
    kx, ky = (centred - 0.046) * (1.0 / a.knob), (y + 0.205) * (1.0 / (1.25 * a.knob))
    return join(column, (1.0 - np.sqrt(kx * kx + ky * ky)) * a.knob, 0.03)


def _ribs(a: Anatomy, y: Array, side: Array, lateral: Array) -> Array:
    """Posterior ribs curve down and out, anterior ones up and out; cortex brighter than marrow."""
    height, per = y - a.apex, 1.0 / a.rib_spacing
    posterior = (height - a.rib_arch * side * side + 0.16 * side) * per + a.rib_phase
    anterior = (height - a.rib_slope * (a.width - side)) * (per / 1.06) + (0.37 + a.rib_phase)
    back = _rib_profile(posterior, a.rib_thickness) * inside(0.28 - y, 0.06)
    front = _rib_profile(anterior, 1.15 * a.rib_thickness) * inside(side - 0.13, 0.04) * inside(0.20 - y, 0.06)
    ribs: Array = inside(lateral + 0.016 - side, 0.010) * (a.rib_contrast[0] * back + a.rib_contrast[1] * front)
    return ribs


def _rib_profile(phase: Array, thickness: float) -> Array:
    """One bone per unit of phase: a soft band with brighter rims."""
    away: Array = np.abs(phase - np.floor(phase) - 0.5)
    return 0.75 * inside(thickness - away, 0.06) + 0.45 * ridge(away - (thickness - 0.05), 0.085)


def _add_spine(a: Anatomy, w: Layers) -> None:
    """Vertebral bodies seen through the mediastinum, and the dark windpipe in front of the upper ones."""
    centred = w.x - a.axis(w.y)
    phase = (w.y - a.apex) * (1.05 / a.rib_spacing)
    discs = np.abs(phase - np.floor(phase) - 0.5) * 2.0
    bones = inside(0.036 - np.abs(centred), 0.014) * (0.030 + 0.040 * smoothstep((0.85 - discs) * 3.0))
    windpipe = inside(0.016 - np.abs(centred - 0.004), 0.010) * inside(-0.13 - w.y, 0.05)
    w.density += (bones - 0.10 * windpipe) * inside(w.density - 0.2, 0.1)


def _add_clavicles(a: Anatomy, w: Layers) -> None:
    """Collar bones: gently S-shaped bands that rise outwards, thickest at the breastbone."""
    height, slope, bow = a.clavicle
    side = np.abs(w.x)
    out = side - 0.045
    line = height - slope * out - bow * np.sin(np.clip(out * 17.0, 0.0, 6.2))
    thick = 0.0125 + 0.008 * inside(0.07 - side, 0.05)
    away = np.abs(w.y - line)
    bone = inside(thick - away, 0.005) + 0.5 * ridge(away - thick + 0.004, 0.007)
    w.density += 0.085 * bone * inside(out, 0.012) * inside(0.36 - side, 0.03)


def _add_scapulae(a: Anatomy, w: Layers) -> None:
    """Shoulder blades: a faint plate over the outer upper lung with one edge."""
    edge = np.abs(w.x) - (a.width - 0.030) + 0.20 * (w.y + 0.05) + 0.9 * np.square(w.y + 0.16)
    plate = inside(edge, 0.008) * inside(0.13 - edge, 0.05)
    here = inside(0.0 - w.y, 0.06) * inside(w.y + 0.32, 0.05)
    w.density += (0.030 * plate + 0.030 * ridge(edge - 0.008, 0.010)) * here


def _add_hila(a: Anatomy, w: Layers) -> None:
    """Lung roots: soft bright commas beside the mediastinum, the left one higher."""
    centred = w.x - a.axis(w.y)
    dx = (np.abs(centred) - 0.085) * (1.0 / 0.050)
    dy = (w.y - a.hilum + 0.02 * np.sign(centred)) * (1.0 / 0.085)
    w.density += 0.11 * smoothstep(1.0 - np.sqrt(dx * dx + dy * dy)) * (0.4 + 0.6 * w.lung)


def _add_breasts(a: Anatomy, w: Layers) -> None:
    """Breast shadows: a veil over the lower lungs with a rounded lower edge that fades upwards."""
    amount, away, height, radius = a.breast
    if amount == 0.0:
        return
    dx, dy = (np.abs(w.x) - away) * (0.9 / radius), (w.y - height) * (0.9 / radius)
    edge = 0.07 + 1.3 * np.clip(-dy, 0.0, 9.0)
    w.density += amount * smoothstep((1.0 - np.sqrt(dx * dx + dy * dy)) / edge)


def _add_bubble(a: Anatomy, w: Layers) -> None:
    """Air in the stomach, under the left dome."""
    amount, away, wide, high = a.bubble
    if amount:
        _add_gas(a, w, amount, away, a.domes[1] + 0.030 + high, wide, high)


def _add_bowel(a: Anatomy, w: Layers) -> None:
    """Air in the gut."""
    for amount, x, depth, wide, high in a.bowel:
        _add_gas(a, w, amount, x, a.domes[0] + depth, wide, high)


def _add_gas(a: Anatomy, w: Layers, amount: float, x: float, y: float, wide: float, high: float) -> None:
    """One dark ellipse, under the diaphragm only."""
    dx, dy = (w.x - x) * (1.0 / wide), (w.y - y) * (1.0 / high)
    below = inside(w.y - a.dome(w.x) - 0.01, 0.010)
    w.density -= amount * smoothstep((1.0 - np.sqrt(dx * dx + dy * dy)) * 2.5) * below


# Parts that touch only a rectangle of the patient frame (x0, y0, x1, y1), drawn there.
LOCAL_PARTS: tuple[tuple[tuple[float, float, float, float], Callable[[Anatomy, Layers], None]], ...] = (
    ((-0.08, -0.70, 0.08, 0.70), _add_spine),
    ((-0.40, -0.51, 0.40, -0.22), _add_clavicles),
    ((-0.54, -0.40, 0.54, 0.07), _add_scapulae),
    ((-0.20, -0.17, 0.20, 0.10), _add_hila),
    ((-0.43, -0.12, 0.43, 0.31), _add_breasts),
    ((0.02, 0.14, 0.30, 0.45), _add_bubble),
    ((-0.37, 0.18, 0.37, 0.62), _add_bowel),
)
