"""Where the patient lies in the image.

The *patient frame* has its origin at the middle of the chest, x to the patient's left (the image's right), y downwards;
lengths are in units of the image side.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

from pylon_zoo.data.drawing import Array, Numbers


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the patient frame lies in the image: rotation (radians), scale, and the chest's middle in [0, 1]."""

    angle: float
    scale: float
    x: float
    y: float

    def to_patient(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Image coordinates in [0, 1] → patient frame; rows and columns broadcast."""
        c, s = cos(self.angle) / self.scale, sin(self.angle) / self.scale
        du, dv = u - self.x, v - self.y
        return c * du + s * dv, c * dv - s * du

    def to_image(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        """Patient frame → image coordinates in [0, 1]."""
        c, s = cos(self.angle) * self.scale, sin(self.angle) * self.scale
        return c * x - s * y + self.x, s * x + c * y + self.y
