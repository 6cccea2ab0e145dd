"""A desk as pieces of a page: bars of classes, pictures, the strip of images. Text is escaped by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from pylon_zoo.app.drawing import View, label_of, levels, overlay, scene_of
from pylon_zoo.app.limits import MEGA, Limits
from pylon_zoo.app.studio import Desk, Side, same_class
from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.data.label_names import same_names
from pylon_zoo.explanation.caption import format_probability
from pylon_zoo.explanation.overlay import MAX_SIDE
from pylon_zoo.explanation.page_parts import as_bar, picture_uri
from pylon_zoo.explanation.report import SCALES, legend_colors
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.pages import render

HINT = "Drop an image to see what the model finds in it, and where."
THUMB_SIDE = 96
QUALITY = 90


def drop_zone(limits: Limits) -> str:
    """Where files are dropped or chosen."""
    return render(
        "app/drop.html",
        most=limits.files,
        megabytes=f"{limits.file_bytes / MEGA:g}",
        pixels=f"{limits.pixels / MEGA:g}",
        accept=",".join(IMAGE_SUFFIXES),
    )


def bars(desk: Desk, view: View) -> str:
    """The classes of the first side, the most probable first, with the second's probabilities beside them."""
    if not desk.sides:
        return render("app/bars.html", rows=[])
    first, *others = (side.explanation for side in desk.sides)
    # Of a method on the same model the probabilities are the same: once is enough.
    second = next((one for one in others if not one.probabilities.equal(first.probabilities)), None)
    rows = [
        {**as_bar(label, probability, _thresholds(first)), "other": None if second is None else _other(second, label)}
        for label, probability in first.ranking()
    ]
    return render(
        "app/bars.html",
        rows=rows,
        chosen=label_of(desk.sides[0], view),
        thresholds=str(first.thresholds),
        names=[side.source for side in desk.sides],
    )


def panels(desk: Desk, view: View) -> str:
    """The pictures of a desk, or why there are none."""
    return render(
        "app/panels.html",
        panels=[_panel(desk, side, view) for side in desk.sides],
        problem=desk.problem,
        hint=HINT,
    )


def strip(desk: Desk, thumbnails: Mapping[int, Image.Image], problems: Mapping[int, str], note: str = "") -> str:
    """The images of a desk to choose from; nothing where there is one.

    Args:
        desk: any.
        thumbnails: place of an image → small picture of it; none where it is not known yet.
        problems: place → why it cannot be shown.
        note: a sentence below.
    """
    tiles = [
        {
            "name": picture.name,
            "picture": picture_uri(thumbnails[place], side=THUMB_SIDE) if place in thumbnails else "",
            "problem": problems.get(place) or picture.problem,
        }
        for place, picture in enumerate(desk.pictures)
    ]
    return render("app/strip.html", tiles=tiles, at=desk.at, note=note)


def _thresholds(explanation: Explanation) -> dict[str, float]:
    return dict(zip(explanation.labels, explanation.thresholds.values, strict=True))


def _other(explanation: Explanation, label: str) -> Mapping[str, Any] | None:
    """The bar of another source's class of that name, if it has one."""
    name = same_class(explanation, label)
    if name is None:
        return None
    return as_bar(name, float(explanation.probabilities[explanation.index(name)]), _thresholds(explanation))


def _panel(desk: Desk, side: Side, view: View) -> Mapping[str, Any]:
    explanation, scene = side.explanation, scene_of(side, view)
    label, finding = scene.label, explanation.finding(scene.label)
    title, _, _ = SCALES["relevance" if explanation.unit == "relevance" else view.scaling]
    low, high = scene.ends
    at = f"({finding.peak.x}, {finding.peak.y})"
    return {
        "source": side.source,
        "label": label,
        "probability": format_probability(finding.probability),
        "found": finding.found,
        "note": _note(view.label, label),
        "alt": f"Map of {label} over {explanation.path}, highest at {at}",
        "picture": picture_uri(overlay(desk, side, view, scene), quality=QUALITY, side=MAX_SIDE),
        "facts": f"{explanation.width}×{explanation.height} pixels, {_boxes(len(finding.boxes))}, {scene.facts}",
        "title": title,
        "colors": legend_colors(view.colormap, view.opacity),
        "ticks": [f"{low:.2g}", scene.middle, f"{high:.2g}"],
        **_levels(side, view, label),
    }


def _note(wanted: str, label: str) -> str:
    if not wanted or same_names([wanted], [label]) == [0]:
        return ""
    return f"It has no class {wanted!r}; this is its most probable one."


def _boxes(count: int) -> str:
    return {0: "no region", 1: "1 region"}.get(count, f"{count} regions")


def _levels(side: Side, view: View, label: str) -> Mapping[str, Any]:
    """What each level adds, in pictures and as a sum."""
    drawn = levels(side, view) if view.levels else []
    if not drawn:
        return {"levels": [], "sum": ""}
    index = side.explanation.index(label)
    whole = float(side.explanation.native_heatmaps[index].max())
    bias = whole - sum(level.at_peak for level in drawn)
    names = [f"level {place} of {len(drawn)}" for place in range(1, len(drawn) + 1)]
    return {
        "levels": [
            {
                "picture": picture_uri(level.picture, quality=QUALITY),
                "level": name.capitalize(),
                "adds": _signed(level.at_peak, positive="+"),
                "alt": f"What {name} adds to the map of {label}",
            }
            for name, level in zip(names, drawn, strict=True)
        ],
        "sum": f"{_sum([bias, *(level.at_peak for level in drawn)])} = logit {_signed(whole)}, of which the "
        f"head’s bias is {_signed(bias)}",
    }


def _sum(terms: Sequence[float]) -> str:
    """`−1.0 + 2.5 − 0.3`."""
    first, *rest = terms
    return _signed(first) + "".join(f" {'+' if term >= 0 else '−'} {abs(term):.1f}" for term in rest)


def _signed(number: float, positive: str = "") -> str:
    """A number to one decimal, with the minus sign that is as wide as a plus."""
    return f"{'−' if number < 0 else positive}{abs(number):.1f}"
