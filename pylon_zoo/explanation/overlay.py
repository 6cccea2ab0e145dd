"""The picture of one finding: a grey image with the class's map in colour over it, the peak, and a caption.

Colours stand for probabilities from 0 to 1 by default, so that an image without a finding looks like one: where the
probability is 0 the image is untouched, and opacity and lightness both grow with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pylon_zoo.explanation.caption import add_caption
from pylon_zoo.explanation.colors import MAX_OPACITY, between, blend, lookup_table
from pylon_zoo.explanation.marks import TRUE_COLOR, WHITE, draw_box, draw_contour, draw_crosshair
from pylon_zoo.explanation.peaks import Point

MAX_SIDE = 1024
"""Images larger than this are drawn smaller: an overlay is for looking at, and the map is coarser still."""
MIN_SIDE = 512
"""Smaller images are drawn larger, so that the cross-hair hides nothing and the text can be read."""
COLORMAP = "inferno"
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to draw of one class of one image.

    Attributes:
        image: the original, (C, H, W), uint8 or float32 in [0, 1], 1 or 3 channels.
        label: the class.
        probability: of the class in the image, in [0, 1].
        found: whether it reaches the class's threshold; the cross-hair is fainter where it does not.
        peak: where the map is highest, in pixels of the image.
        values: (H', W') float32 in [0, 1], the map as probabilities at the `display_size` of the image.
        level: the value from which on a place is found.
        ends: the values that the first and the last colour stand for.
        middle: what stands under the middle of the colour scale.
        facts: the caption's second line.
    """

    image: Tensor
    label: str
    probability: float
    found: bool
    peak: Point
    values: np.ndarray
    level: float
    ends: tuple[float, float]
    middle: str
    facts: str


def render_overlay(
    scene: Scene,
    *,
    colormap: str = COLORMAP,
    opacity: float = MAX_OPACITY,
    contour: bool = True,
    peak: bool = True,
    boxes: Sequence[Corners] = (),
    true_boxes: Sequence[Corners] = (),
    caption: bool = True,
) -> Image.Image:
    """Draw one class's map over its image.

    Args:
        scene: of `pylon_zoo.explanation.result.Explanation.scene`.
        colormap: a key of `pylon_zoo.explanation.colors.COLORMAPS`.
        opacity: how much the last colour covers of the image, in [0, 1].
        contour: a thin line where the map reaches the scene's level.
        peak: a cross-hair where the map is highest.
        boxes: rectangles to draw in white: x0, y0, x1, y1 in pixels of the image, edges as an image W wide spans 0 to
            W (a `Box` holds its borders: add 1 to its x1 and y1).
        true_boxes: the same in blue, of what is known to be there.
        caption: the strip below with label, probability, the map's own resolution and the colour scale.

    Returns:
        RGB; the image's longer side is `MIN_SIDE` to `MAX_SIDE` pixels, the strip comes on top of that.

    Raises:
        UnknownNameError: no such colour map.

    Example:
        >>> import torch
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> explanation = explain(build_model("pylon_test_resnet", 2), torch.rand(3, 48, 64))
        >>> render_overlay(explanation.scene("class_1"), caption=False).size
        (512, 384)
    """
    height, width = scene.values.shape
    grey = np.asarray(to_picture(scene.image, (width, height)).convert("L"), dtype=np.float32)
    canvas = blend(grey, between(scene.values, scene.ends), lookup_table(colormap), opacity)
    if contour:
        draw_contour(canvas, scene.values, scene.level)
    # Pixel centres lie at whole numbers in both images, hence the halves.
    across, down = width / scene.image.shape[2], height / scene.image.shape[1]
    for color, corners in ((TRUE_COLOR, true_boxes), (WHITE, boxes)):
        for x0, y0, x1, y1 in corners:
            draw_box(canvas, (x0 * across - 0.5, y0 * down - 0.5, x1 * across - 0.5, y1 * down - 0.5), color)
    if peak:
        place = ((scene.peak.x + 0.5) * across - 0.5, (scene.peak.y + 0.5) * down - 0.5)
        draw_crosshair(canvas, place, strength=1.0 if scene.found else 0.5)
    picture = Image.fromarray(np.rint(canvas).clip(0, 255).astype(np.uint8))
    return with_caption(picture, scene, colormap=colormap, opacity=opacity) if caption else picture


def with_caption(
    picture: Image.Image, scene: Scene, *, colormap: str = COLORMAP, opacity: float = MAX_OPACITY
) -> Image.Image:
    """A picture drawn without caption, with its caption. Arguments as for `render_overlay`."""
    low, high = scene.ends
    ticks = (f"{low:.2g}", scene.middle, f"{high:.2g}")
    return add_caption(picture, scene.label, scene.probability, scene.facts, ticks, colormap, opacity)


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
