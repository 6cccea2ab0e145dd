"""The healthy chest as numbers: how one is drawn by lot, and where its borders run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pylon_zoo.data.drawing import Array, Numbers, inside
from pylon_zoo.data.phantom.pose import Pose
from pylon_zoo.data.phantom.vessels import Vessels, grow_vessels

HEART_COS, HEART_SIN = np.cos(0.60).item(), np.sin(0.60).item()  # the long axis points to the lower left


@dataclass(frozen=True, slots=True)
class Heart:
    """Two ellipses: the ventricles, whose long axis is tilted, and the right atrium.

    Attributes:
        x: middle of the ventricles in the patient frame.
        y: the same, downwards.
        long: half of the long axis.
        short: half of the short axis.
        softness: half-width of the silhouette's edge.
        density: what its thickness adds beyond the mediastinum's.
    """

    x: float
    y: float
    long: float
    short: float
    softness: float
    density: float

    def enlarged(self, factor: float, drop: float) -> Heart:
        """Grown by `factor`, rounder, moved to the left, lowered by `drop`."""
        return replace(
            self,
            x=self.x + 0.035 * (factor - 1.0),
            y=self.y + drop,
            long=self.long * factor,
            short=self.short * factor * 0.97,
        )

    def distance(self, x: Array, y: Array) -> Array:
        """How deep inside the silhouette, negative outside, about in image sides."""
        dx, dy = x - self.x, y - self.y
        along = (HEART_COS * dx + HEART_SIN * dy) * (1.0 / self.long)
        across = (HEART_COS * dy - HEART_SIN * dx) * (1.0 / self.short)
        ventricles = (1.0 - np.sqrt(along * along + across * across)) * self.short
        wide, high = 0.46 * self.long, 0.92 * self.short
        ax, ay = (dx + 0.60 * self.long) * (1.0 / wide), (dy - 0.10 * self.short) * (1.0 / high)
        deepest: Array = np.maximum(ventricles, (1.0 - np.sqrt(ax * ax + ay * ay)) * wide)
        return deepest

    def extent(self) -> tuple[float, float, float, float]:
        """The silhouette's x0, y0, x1, y1 in the patient frame."""
        half_x = float(np.hypot(self.long * HEART_COS, self.short * HEART_SIN))
        half_y = float(np.hypot(self.long * HEART_SIN, self.short * HEART_COS))
        left = min(self.x - half_x, self.x - 1.06 * self.long)
        return left, self.y - half_y, self.x + half_x, self.y + half_y


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One patient, positioned: everything that the drawing and the findings ask about the healthy chest.

    Attributes:
        pose: where the patient frame lies in the image.
        width: from the midline to the widest place of the lungs.
        apex: top of the lungs.
        domes: tops of the right and left diaphragm.
        drop: how far the diaphragm falls towards the costophrenic angles.
        mediastinum: half its width.
        tilt: lean of the mediastinum, x per y.
        heart: the heart.
        rib_phase: where the first rib lies, in rib spacings.
        rib_spacing: distance between ribs.
        rib_arch: how the posterior ribs curve down.
        rib_slope: how the anterior ribs fall towards the breastbone.
        rib_contrast: density of posterior and anterior ribs.
        rib_thickness: half, in rib spacings.
        clavicle: height, slope, bow.
        fat: soft tissue beside the ribs.
        thickness: density of the chest wall.
        shoulder: height of the shoulders.
        breast: density, distance from the midline, height, radius.
        bubble: darkness, distance, half width and half height of the air in the stomach.
        bowel: loops of gut with gas: darkness, x, depth under the diaphragm, half width, half height.
        knob: radius of the aortic knob.
        hilum: height of the lung roots.
        vessels: the lungs' vessels.
    """

    pose: Pose
    width: float
    apex: float
    domes: tuple[float, float]
    drop: float
    mediastinum: float
    tilt: float
    heart: Heart
    rib_phase: float
    rib_spacing: float
    rib_arch: float
    rib_slope: float
    rib_contrast: tuple[float, float]
    rib_thickness: float
    clavicle: tuple[float, float, float]
    fat: float
    thickness: float
    shoulder: float
    breast: tuple[float, float, float, float]
    bubble: tuple[float, float, float, float]
    bowel: tuple[tuple[float, float, float, float, float], ...]
    knob: float
    hilum: float
    vessels: Vessels

    def lateral(self, y: Numbers) -> Numbers:
        """How far from the midline the lungs reach at height y."""
        base = max(self.domes) + self.drop
        t = np.clip((base - y) * (1.0 / (base - self.apex)), 0.0, 1.0)
        reach: Numbers = np.sqrt(1.0 - t * t * (0.35 + 0.65 * t))
        return self.width * reach

    def dome(self, x: Numbers) -> Numbers:
        """Height of the diaphragm at x; the right one (x < 0) usually stands higher."""
        outwards = (np.abs(x) - 0.47 * self.width) * (1.0 / (0.53 * self.width))
        fall = np.where(outwards > 0.0, self.drop, 0.35 * self.drop).astype(np.float32)
        height: Numbers = self.domes[0] + (self.domes[1] - self.domes[0]) * inside(x, 0.08) + fall * outwards * outwards
        return height

    def axis(self, y: Array) -> Array:
        """Where the mediastinum's middle runs at height y: patients stand turned a little."""
        return self.tilt * (y + 0.1)


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one patient by lot."""
    u = rng.uniform
    pose = Pose(
        angle=float(np.clip(rng.normal(0.0, 0.055), -0.14, 0.14)),
        scale=u(0.94, 1.15),
        x=0.5 + u(-0.05, 0.05),
        y=0.5 + u(-0.02, 0.07),
    )
    width, apex, right = u(0.315, 0.385), u(-0.43, -0.37), u(0.165, 0.255)
    domes = (right, right + u(-0.012, 0.045))
    build = u(0.84, 1.12) * (0.55 + 0.45 * width / 0.35)
    heart = Heart(
        x=u(0.028, 0.056),
        y=domes[1] - u(0.062, 0.092),
        long=0.158 * build,
        short=0.112 * build * u(0.90, 1.06),
        softness=u(0.008, 0.016),
        density=u(0.02, 0.08),
    )
    hilum = u(-0.06, -0.01)
    return Anatomy(
        pose=pose,
        width=width,
        apex=apex,
        domes=domes,
        drop=u(0.065, 0.115),
        mediastinum=u(0.044, 0.062),
        tilt=float(rng.normal(0.0, 0.035)),
        heart=heart,
        rib_phase=u(0.0, 1.0),
        rib_spacing=u(0.066, 0.080),
        rib_arch=u(0.55, 1.15),
        rib_slope=u(0.45, 0.80),
        rib_contrast=(u(0.035, 0.075), u(0.020, 0.050)),
        rib_thickness=u(0.22, 0.31),
        clavicle=(u(-0.335, -0.285), u(0.06, 0.34), u(0.008, 0.030)),
        fat=u(0.035, 0.12),
        thickness=u(0.50, 0.66),
        shoulder=u(-0.43, -0.38),
        breast=(u(0.02, 0.15) if rng.random() < 0.5 else 0.0, u(0.19, 0.23), u(0.05, 0.14), u(0.10, 0.14)),
        bubble=(u(0.10, 0.30) if rng.random() < 0.7 else 0.0, u(0.12, 0.20), u(0.03, 0.08), u(0.018, 0.045)),
        bowel=_sample_bowel(rng),
        knob=u(0.025, 0.045),
        hilum=hilum,
        vessels=grow_vessels(rng, width, hilum),
    )


def _sample_bowel(rng: np.random.Generator) -> tuple[tuple[float, float, float, float, float], ...]:
    """Gas in the gut: a few loops in half of the patients."""
    if rng.random() < 0.5:
        return ()
    low, high = (0.05, -0.30, 0.07, 0.020, 0.016), (0.20, 0.30, 0.28, 0.060, 0.040)
    return tuple(tuple(rng.uniform(low, high).tolist()) for _ in range(int(rng.integers(1, 6))))
