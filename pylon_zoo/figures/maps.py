"""Rows of images, columns of methods or models: what each says of a class, on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError
from pylon_zoo.explanation.caption import BAR_GREY, format_probability
from pylon_zoo.explanation.colors import between, blend, lookup_table
from pylon_zoo.explanation.overlay import COLORMAP, to_picture
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.figures.marks import add_box, add_mask, add_peak, legend_of
from pylon_zoo.figures.saving import DPI
from pylon_zoo.figures.style import FRAME, SMALL, blank, checked_width, look
from pylon_zoo.figures.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, TOP, RIGHT, GAP = 0.17, 0.16, 0.03, 0.04
"""Inches: for the rows' names, for the columns', at the right end, and between panels."""
LINE = 0.105
"""Inches that a second line of a column's name takes."""
FOOT, BAR = 0.46, 0.075
"""Inches: below the panels, and the height of the colour bar."""
BAR_AT_MOST = 2.4
NUMBER = (0.36, 0.12)
"""Inches that a probability takes at most."""
NARROWEST_PANEL = 0.4
"""Inches. In less, nothing can be seen."""
SCALES = {
    "logit": "Probability",
    "relevance": "Share of the map’s maximum",
    "both": "Probability; of attribution methods, share of the map’s maximum",
    "image": "From each map’s minimum to its maximum",
}
"""What colours stand for → what the colour bar says."""


@dataclass(frozen=True, eq=False)
class MapRow:
    """One image and what each column says of it.

    Args:
        explanations: one per column, all of this image.
        labels: the class, as each of them names it.
        name: what stands beside the row.
        boxes: (M, 4) true boxes of the class, x0, y0, x1, y1 in pixels of the image.
        mask: (H, W) bool, where the class is; None where nobody drew it.

    Example:
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> seen = explain(build_model("pylon_test_resnet", 2), torch.rand(3, 48, 64))
        >>> MapRow((seen,), ("class_1",), "a crack").boxes.shape
        torch.Size([0, 4])
    """

    explanations: tuple[Explanation, ...]
    labels: tuple[str, ...]
    name: str
    boxes: Tensor = field(default_factory=lambda: torch.zeros(0, 4))
    mask: Tensor | None = None


def draw_maps(
    rows: Sequence[MapRow], titles: Sequence[str], *, width: float = 3.5, dpi: int = DPI, bare: bool = True
) -> Figure:
    """Draw the figure.

    The first column is the image alone, with its true boxes or the outline of its mask; the others have the map over
    the grey image, its peak, and the class's probability. All share one colour bar, which is right because absolute
    colours mean the same in every panel; with `scaling="image"` it says that each map has its own ends.

    Args:
        rows: at least one.
        titles: of the columns, without the image's.
        width: inches.
        dpi: pixels per inch of what is drawn pixel by pixel; lines and text have none.
        bare: whether the image alone is shown too.

    Returns:
        The figure, to be saved by `pylon_zoo.figures.save`.

    Raises:
        ConfigError: no rows or columns, a row with another number of maps, or more columns than the width has room for.
        MissingDependencyError: Matplotlib is not installed.

    Example:
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> seen = explain(build_model("pylon_test_resnet", 2), torch.rand(3, 48, 64))
        >>> figure = draw_maps([MapRow((seen,), ("class_1",), "a crack")], ["untrained"])
        >>> [round(72 * float(inches)) for inches in figure.get_size_inches()]
        [252, 133]
    """
    columns = ["Image", *titles] if bare else list(titles)
    if not rows or not titles or any(len(row.explanations) != len(titles) for row in rows):
        raise ConfigError("A figure of maps needs at least one row, and in every row one map for each of its columns.")
    side = (checked_width(width) - LEFT - RIGHT + GAP) / len(columns) - GAP
    if side < NARROWEST_PANEL:
        raise ConfigError(
            f"{len(columns)} columns in {width:g} inches leave {max(side, 0):.2f} for each; give fewer, or more width."
        )
    side = int(side * dpi) / dpi
    heights = [_snapped(side * row.explanations[0].height / row.explanations[0].width, dpi) for row in rows]
    heads = [fitted(title, side) for title in columns]
    top = TOP + LINE * any("\n" in title for title, _ in heads)
    with look():
        figure = blank(width, top + sum(heights) + GAP * (len(rows) - 1) + FOOT)
        page = _Page(figure, dpi)
        for place, (text, size) in enumerate(heads):
            page.text(LEFT + place * (side + GAP) + side / 2, top - 0.05, text, size=size, ha="center", va="baseline")
        y = top
        for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
            name, size = fitted(row.name, height)
            page.text(LEFT - 0.04, y + height / 2, name, size=size, ha="right", va="center", rotation=90)
            corner = _free_corner(row, (NUMBER[0] / side, NUMBER[1] / height))
            for place in range(len(columns)):
                axes = page.axes(LEFT + place * (side + GAP), y, side, height)
                axes.set_gid(f"panel-{number}-{place}")
                _draw_panel(axes, row, place - bare, (round(side * dpi), round(height * dpi)))
                if place >= bare:
                    _add_probability(axes, row, place - bare, corner)
            y += height + GAP
        _draw_foot(page, rows, y - GAP, side, len(columns), bare)
    return figure


@dataclass(frozen=True)
class _Page:
    """Inches from the upper left corner, as one reads, onto the whole pixels of a figure."""

    figure: Figure
    dpi: int

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        across, down = self.figure.get_size_inches()
        # Counted in whole pixels from the lower left corner, so that each pixel of a picture is one of the PNG.
        left, bottom = _snapped(x, self.dpi), _snapped(down - y - height, self.dpi)
        made = self.figure.add_axes((left / across, bottom / down, width / across, height / down))
        made.set_xticks([])
        made.set_yticks([])
        made.spines[:].set(visible=True, linewidth=0.4, edgecolor=FRAME)  # a white image has an edge too
        return made

    def text(self, x: float, y: float, text: str, **options: Any) -> None:
        across, down = self.figure.get_size_inches()
        self.figure.text(x / across, 1 - y / down, text, **{"linespacing": 1.0, **options})


def _draw_panel(axes: Axes, row: MapRow, place: int, pixels: tuple[int, int]) -> None:
    """One panel: the image alone for place -1, else the map of that column."""
    image = row.explanations[0].image
    height, width = image.shape[-2:]
    if place < 0:
        picture = np.asarray(to_picture(image, pixels).convert("RGB"))
    else:
        picture = _overlaid(row.explanations[place], row.labels[place], pixels)
    # Pixel i of the image spans i to i + 1, as boxes do.
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="none", aspect="auto")
    name = axes.get_gid()
    if row.mask is not None:
        add_mask(axes, row.mask, f"{name}-mask")
    for number, box in enumerate(row.boxes.tolist() if row.mask is None else ()):
        add_box(axes, box, f"{name}-box-{number}")
    if place >= 0:
        finding = row.explanations[place].finding(row.labels[place])
        add_peak(axes, finding.peak, f"{name}-peak")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _overlaid(explanation: Explanation, label: str, pixels: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: the map in colour over the grey image, at a size (width, height)."""
    grey = np.asarray(to_picture(explanation.image, pixels).convert("L"), dtype=np.float32)
    values = explanation.probability_map(label, (pixels[1], pixels[0])).numpy()
    canvas = blend(grey, between(values, explanation.ends(label)), lookup_table(COLORMAP))
    picture: np.ndarray = np.rint(canvas).clip(0, 255).astype(np.uint8)
    return picture


def _free_corner(row: MapRow, room: tuple[float, float]) -> tuple[int, int]:
    """The corner in which a number hides no mark of the row: 0 or 1 across, from the left, and up.

    Args:
        row: with its boxes and peaks.
        room: width and height of the number, as shares of the panel's.
    """
    height, width = row.explanations[0].image.shape[-2:]
    peaks = [seen.finding(label).peak for seen, label in zip(row.explanations, row.labels, strict=True)]
    reach = room[1] / 2  # of a cross, as a share of the panel
    marks = [(x0 / width, 1 - y1 / height, x1 / width, 1 - y0 / height) for x0, y0, x1, y1 in row.boxes.tolist()]
    marks += [(x / width - reach, 1 - y / height - reach, x / width + reach, 1 - y / height + reach) for x, y in peaks]

    def hidden(corner: tuple[int, int]) -> int:
        left, low = (place * (1 - share) for place, share in zip(corner, room, strict=True))
        return sum(x0 < left + room[0] and left < x1 and y0 < low + room[1] and low < y1 for x0, y0, x1, y1 in marks)

    return min(((0, 0), (1, 0), (0, 1), (1, 1)), key=hidden)


def _add_probability(axes: Axes, row: MapRow, place: int, corner: tuple[int, int]) -> None:
    """The class's probability, in a corner."""
    across, up = corner
    axes.annotate(
        format_probability(row.explanations[place].finding(row.labels[place]).probability),
        corner,
        xycoords="axes fraction",
        xytext=(2.2 * (1 - 2 * across), 2.4 * (1 - 2 * up)),
        textcoords="offset points",
        ha=("left", "right")[across],
        va=("bottom", "top")[up],
        size=SMALL - 0.5,
        color="white",
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.6, "linewidth": 0},
    )


def _draw_foot(page: _Page, rows: Sequence[MapRow], y: float, side: float, columns: int, bare: bool) -> None:
    """The colour bar below the maps, and what the marks mean below the images."""
    whole = columns * (side + GAP) - GAP
    first = LEFT + (side + GAP if bare and columns > 2 else whole * 0.4)
    bar_width = _snapped(min(LEFT + whole - first, BAR_AT_MOST), page.dpi)
    units = {explanation.unit for row in rows for explanation in row.explanations}
    absolute = rows[0].explanations[0].scaling == "absolute"
    meaning = SCALES["image" if not absolute else units.pop() if len(units) == 1 else "both"]
    axes = page.axes(LEFT + whole - bar_width, y + 0.06, bar_width, _snapped(BAR, page.dpi))
    axes.set_gid("colour-bar")
    values = np.linspace(0, 1, 256, dtype=np.float32)[None]
    axes.imshow(
        np.rint(blend(np.full_like(values, BAR_GREY), values, lookup_table(COLORMAP))).astype(np.uint8),
        extent=(0, 1, 0, 1),
        interpolation="none",
        aspect="auto",
    )
    ends = [(0.0, "0", "left"), (0.5, "0.5", "center"), (1.0, "1", "right")]
    if not absolute:
        ends = [(0.0, "min", "left"), (1.0, "max", "right")]
    left, under = LEFT + whole - bar_width, y + 0.06 + BAR
    for value, tick, side_of in ends:
        page.text(left + value * bar_width, under + 0.025, tick, size=SMALL, ha=side_of, va="top")
    text, size = fitted(meaning, bar_width, size=SMALL)
    page.text(left + bar_width / 2, under + 0.135, text, size=size, ha="center", va="top")
    marks = {
        "true box": any(len(row.boxes) and row.mask is None for row in rows),
        "true outline": any(row.mask is not None for row in rows),
        "peak of the map": True,
        "probability of the class": True,
    }
    legend_of(page.figure, [name for name, shown in marks.items() if shown], (LEFT, y + 0.06))


def _snapped(inches: float, dpi: int) -> float:
    """The nearest whole number of pixels, in inches."""
    return max(1, round(inches * dpi)) / dpi
