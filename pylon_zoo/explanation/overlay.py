"""The picture of one finding: a grey image with the class's map in colour over it, the peak, and a caption.

Colours stand for probabilities from 0 to 1 by default, so that an image without a finding looks like one: where the
probability is 0 the image is untouched, and opacity and lightness both grow with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pylon_zoo.explanation.caption import add_caption
from pylon_zoo.explanation.colors import blend, lookup_table
from pylon_zoo.explanation.marks import draw_contour, draw_crosshair

if TYPE_CHECKING:
    from pylon_zoo.explanation.result import Explanation

MAX_SIDE = 1024
"""Images larger than this are drawn smaller: an overlay is for looking at, and the map is coarser still."""
MIN_SIDE = 512
"""Smaller images are drawn larger, so that the cross-hair hides nothing and the text can be read."""
COLORMAP = "inferno"


def render_overlay(
    explanation: Explanation, label: str, *, colormap: str = COLORMAP, contour: bool = True, caption: bool = True
) -> Image.Image:
    """Draw one class's map over its image.

    Args:
        explanation: of the image.
        label: the class.
        colormap: a key of `pylon_zoo.explanation.colors.COLORMAPS`.
        contour: a thin line where the probability reaches the explanation's threshold.
        caption: the strip below with label, probability, the map's own resolution and the colour scale.

    Returns:
        RGB; the image's longer side is `MIN_SIDE` to `MAX_SIDE` pixels, the strip comes on top of that.

    Raises:
        UnknownNameError: no such label or colour map.

    Example:
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> explanation = explain(build_model("pylon_test_resnet", 2), torch.rand(3, 48, 64))
        >>> render_overlay(explanation, "class_1", caption=False).size
        (512, 384)
    """
    finding = explanation.finding(label)
    width, height = display_size(explanation.width, explanation.height)
    grey = np.asarray(to_picture(explanation.image, (width, height)).convert("L"), dtype=np.float32)
    probabilities = explanation.probability_map(label, (height, width)).numpy()
    low, high = color_range(explanation, label)
    values = ((probabilities - low) / (high - low)).clip(0, 1) if high > low else np.zeros_like(probabilities)
    canvas = blend(grey, values, lookup_table(colormap))
    if contour:
        draw_contour(canvas, probabilities, explanation.threshold)
    # Pixel centres lie at whole numbers in both images, hence the halves.
    x = (finding.peak.x + 0.5) * width / explanation.width - 0.5
    y = (finding.peak.y + 0.5) * height / explanation.height - 0.5
    draw_crosshair(canvas, (x, y), strength=1.0 if finding.probability >= explanation.threshold else 0.5)
    picture = Image.fromarray(np.rint(canvas).clip(0, 255).astype(np.uint8))
    return with_caption(picture, explanation, label, colormap=colormap) if caption else picture


def with_caption(
    picture: Image.Image, explanation: Explanation, label: str, *, colormap: str = COLORMAP
) -> Image.Image:
    """A picture drawn without caption, with its caption. Arguments as for `render_overlay`."""
    finding = explanation.finding(label)
    low, high = color_range(explanation, label)
    facts = f"{explanation.resolution} map, peak at ({finding.peak.x}, {finding.peak.y})"
    middle = "0.5" if explanation.scaling == "absolute" else "own scale"
    if explanation.unit == "relevance":
        middle = "share of max"
    return add_caption(picture, label, finding.probability, facts, (f"{low:.2g}", middle, f"{high:.2g}"), colormap)


def color_range(explanation: Explanation, label: str) -> tuple[float, float]:
    """The probabilities at the ends of the colour scale: 0 and 1, or this map's own minimum and maximum."""
    if explanation.scaling == "absolute":
        return 0.0, 1.0
    native = explanation.native_probability_map(label)
    return float(native.min()), float(native.max())


def display_size(width: int, height: int) -> tuple[int, int]:
    """Width and height to draw an image at: its own shape, the longer side between `MIN_SIDE` and `MAX_SIDE`.

    Example:
        >>> display_size(5000, 2500), display_size(800, 600), display_size(1, 1), display_size(2, 2000)
        ((1024, 512), (800, 600), (512, 512), (1, 1024))
    """
    longer = max(width, height)
    scale = min(max(longer, MIN_SIDE), MAX_SIDE) / longer
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_picture(image: Tensor, size: tuple[int, int]) -> Image.Image:
    """An image (C, H, W), uint8 or float in [0, 1], grey or RGB, as a PIL image of `size` (width, height)."""
    if image.dtype != torch.uint8:
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    array = image.squeeze(0).numpy() if image.shape[0] == 1 else image.permute(1, 2, 0).numpy()
    return Image.fromarray(array).resize(size, Image.Resampling.LANCZOS)
