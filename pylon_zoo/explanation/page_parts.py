"""What pages and notebooks are made of: bars of probabilities, and pictures that need no file beside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from pylon_zoo.explanation.caption import format_probability

PICTURE_SIDE = 448
"""Longer side of an embedded picture in pixels."""


def as_bar(label: str, probability: float, thresholds: Mapping[str, float]) -> Mapping[str, Any]:
    """A label's probability in words, and for a bar with a tick at the threshold.

    Example:
        >>> as_bar("crack", 0.75, {"crack": 0.5})["width"], as_bar("crack", 0.25, {"crack": 0.5})["found"]
        ('75.0%', False)
    """
    return {
        "label": label,
        "probability": format_probability(probability),
        "width": f"{probability:.1%}",
        "tick": f"{thresholds[label]:.1%}",
        "found": probability >= thresholds[label],
    }


def picture_uri(picture: Image.Image, quality: int = 85, side: int = PICTURE_SIDE) -> str:
    """A picture as an address that holds all of it, as a JPEG whose longer side is `side` pixels at most.

    Example:
        >>> picture_uri(Image.new("RGB", (4, 4))).startswith("data:image/jpeg;base64,")
        True
    """
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
