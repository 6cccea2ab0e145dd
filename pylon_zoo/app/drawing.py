"""What to draw of a desk: the map of a class with its marks, and what each level of the pyramid adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from pylon_zoo.app.studio import Desk, Side, same_class, true_boxes
from pylon_zoo.cells import to_pixels
from pylon_zoo.explanation.colors import MAX_OPACITY
from pylon_zoo.explanation.overlay import COLORMAP, Scene, display_size, render_overlay

LEVEL_SIDE = 256
"""Longer side of a level's small picture in pixels."""
MARKS = ("contour", "boxes", "peak", "true boxes")


@dataclass(frozen=True)
class View:
    """How a user wants it drawn.

    Attributes:
        label: the class; empty is each image's most probable one.
        colormap: a key of `pylon_zoo.explanation.colors.COLORMAPS`.
        opacity: of the last colour, in [0, 1].
        scaling: `"absolute"` or `"image"`, as for `explain`.
        marks: some of `MARKS`.
        levels: show what each level adds.
    """

    label: str = ""
    colormap: str = COLORMAP
    opacity: float = MAX_OPACITY
    scaling: str = "absolute"
    marks: Sequence[str] = MARKS
    levels: bool = False


class Level(NamedTuple):
    """What one level of the pyramid adds to a class's map.

    Attributes:
        picture: RGB.
        at_peak: the logit that it adds where the whole map is highest.
    """

    picture: Image.Image
    at_peak: float


def label_of(side: Side, view: View) -> str:
    """The class a side shows: the view's by name, and its own most probable one where it has none of that name."""
    return (view.label and same_class(side.explanation, view.label)) or side.explanation.ranking()[0][0]


def scene_of(side: Side, view: View) -> Scene:
    """What there is to draw of a side's class, on the scale that the view asks for."""
    label = label_of(side, view)
    side.explanation.finding(label)  # kept there, so that only the first picture of a class looks for it
    return side.explanation.scaled(view.scaling).scene(label)


def overlay(desk: Desk, side: Side, view: View, scene: Scene, caption: bool = False) -> Image.Image:
    """The picture of a side.

    Args:
        desk: that has it.
        side: one of its sides.
        view: what to draw, and how.
        scene: of `scene_of`.
        caption: with the strip below.

    Returns:
        RGB, as `render_overlay` gives it.
    """
    boxes = side.explanation.finding(scene.label).boxes if "boxes" in view.marks else ()
    return render_overlay(
        scene,
        colormap=view.colormap,
        opacity=view.opacity,
        contour="contour" in view.marks,
        peak="peak" in view.marks,
        boxes=[(box.x0, box.y0, box.x1 + 1, box.y1 + 1) for box in boxes],
        true_boxes=true_boxes(desk, scene.label) if "true boxes" in view.marks else (),
        caption=caption,
    )


def levels(side: Side, view: View) -> list[Level]:
    """What each level adds to the class's map, coarse to fine, all on one scale; negative evidence is not coloured.

    Args:
        side: with levels.
        view: what to draw, and how.

    Returns:
        One per level; none for a side without.
    """
    if side.levels is None:
        return []
    explanation, label = side.explanation, label_of(side, view)
    index = explanation.index(label)
    row, column = divmod(int(explanation.native_heatmaps[index].argmax()), explanation.native_heatmaps.shape[2])
    width, height = display_size(explanation.width, explanation.height)
    own = (explanation.height, explanation.width)
    grid = None if explanation.grid is None else explanation.grid.scaled(own, (height, width))
    values = [to_pixels(level[index], (height, width), grid).numpy() for level in side.levels]
    scene = explanation.scene(label)
    highest = max(float(each.max()) for each in values)
    drawn = []
    for level, value in zip(side.levels, values, strict=True):
        part: Scene = replace(scene, values=value.astype(np.float32), ends=(0.0, highest))
        picture = render_overlay(part, colormap=view.colormap, opacity=view.opacity, contour=False, caption=False)
        picture.thumbnail((LEVEL_SIDE, LEVEL_SIDE), Image.Resampling.LANCZOS)
        drawn.append(Level(picture, float(level[index, row, column])))
    return drawn
