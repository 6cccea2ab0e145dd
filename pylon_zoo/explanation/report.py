"""A report of many explained images as one HTML file that needs nothing else: pictures inside, no request anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from pylon_zoo._version import __version__
from pylon_zoo.explanation.caption import BAR_GREY, format_probability
from pylon_zoo.explanation.colors import blend, lookup_table
from pylon_zoo.explanation.overlay import COLORMAP, display_size, to_picture
from pylon_zoo.explanation.report_style import CSS, SCRIPT
from pylon_zoo.explanation.result import Explanation

PICTURE_SIDE = 448
"""Longer side of an embedded picture in pixels."""
PICTURED_AT_MOST = 200
"""Images beyond this many are reported without pictures, so that a browser can still open the file."""

SCALES = {
    "absolute": ("Colour: probability", ("0", "0.5", "1"), "An image without a finding stays uncoloured."),
    "image": (
        "Colour: each map on its own scale",
        ("its minimum", "its maximum"),
        "Colours span each map's own range, so they also appear where nothing was found.",
    ),
    "relevance": (
        "Colour: share of each map's maximum",
        ("0", "0.5", "its maximum"),
        "Every map has a maximum, so colours also appear where nothing was found.",
    ),
}
"""Scaling, or unit → title of the colour scale, its ticks, what to bear in mind."""
MEANINGS = {
    "logit": "Each map shows what the probability would be if that place alone decided.",
    "relevance": "Each map shows what an attribution method says of the model, not a probability.",
}
HINT = (
    "The cross-hair marks its highest place; the thin line encloses where it reaches the threshold. Point at a map to "
    "see the image beneath it."
)
FOOTER = (
    "Not a medical device. A heatmap shows where a score came from, not why, and not that the score is right; a region "
    "without colour is not thereby healthy. Detail finer than the heatmap's own resolution is interpolation."
)


class Report:
    """Collects one card per image and puts them on a page. Nothing in it depends on time or machine.

    Args:
        model_name: the heading.
        facts: further facts for the header, in order.
    """

    def __init__(self, model_name: str, facts: Mapping[str, str] | None = None) -> None:
        self.model_name = model_name
        self.facts = dict(facts or {})
        self.scale = "absolute"
        self.unit = "logit"
        self._cards: list[str] = []
        self._failed = 0
        self._pictured = 0

    def add(self, entry: Mapping[str, Any], explanation: Explanation, pictures: Sequence[Image.Image]) -> None:
        """A card for an explained image.

        Args:
            entry: the image's entry in `results.json`.
            explanation: of the image.
            pictures: the overlay of each of the entry's findings, without caption.
        """
        self.unit = explanation.unit
        self.scale = "relevance" if explanation.unit == "relevance" else explanation.scaling
        self.facts.setdefault("Heatmap", f"{explanation.resolution} cells")
        self.facts.setdefault("Activation", explanation.activation)
        self.facts.setdefault("Threshold", str(explanation.thresholds))
        thresholds = dict(zip(explanation.labels, explanation.thresholds.values, strict=True))
        if self._pictured < PICTURED_AT_MOST:
            self._pictured += 1
            original = to_picture(explanation.image, display_size(explanation.width, explanation.height))
            figures = [_original(original, entry["path"])]
            figures += [
                _figure(finding, picture, entry["path"], thresholds[finding["label"]])
                for finding, picture in zip(entry["findings"], pictures, strict=True)
            ]
        else:
            figures = [_linked(finding, thresholds[finding["label"]]) for finding in entry["findings"]]
        self._cards.append(
            f'<article class="card">{_head(entry)}<div class="views">{"".join(figures)}</div>'
            f"{_others(entry, explanation, thresholds)}</article>"
        )

    def add_error(self, entry: Mapping[str, Any]) -> None:
        """A card for an image that could not be explained."""
        self._failed += 1
        self._cards.append(
            f'<article class="card failed">{_head(entry)}<p>Not explained: {escape(entry["error"])}</p></article>'
        )

    def html(self) -> str:
        """The page."""
        total = len(self._cards)
        counts = {"Images": f"{total - self._failed} explained" + (f", {self._failed} failed" if self._failed else "")}
        facts = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in (counts | self.facts).items()
        )
        hint = f"{MEANINGS[self.unit]} {HINT} {SCALES[self.scale][2]}"
        if total - self._failed > self._pictured:
            hint += f" Pictures of the first {self._pictured} images are shown; the others are linked."
        title = escape(self.model_name)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}: explanations</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
            f'<header><p class="kicker">Explanations by</p><h1>{title}</h1>'
            f'<div class="facts"><dl>{facts}</dl>{_legend(self.scale)}</div><p class="hint">{hint}</p></header>\n'
            f"<main>\n{chr(10).join(self._cards)}\n</main>\n"
            f"<footer>{FOOTER}<br>Made by pylon_zoo {__version__}.</footer>\n"
            f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
        )


def _head(entry: Mapping[str, Any]) -> str:
    path = PurePath(entry["path"])
    folder = "" if str(path.parent) == "." else f'<span class="where">{escape(str(path.parent))}</span>'
    size = "" if entry["width"] is None else f'<span class="size">{entry["width"]} × {entry["height"]} px</span>'
    return f"<header><h2>{escape(path.name)}</h2>{folder}{size}</header>"


def _original(picture: Image.Image, path: str) -> str:
    return (
        f'<figure class="original"><img src="{_data_url(picture)}" alt="{escape(path)}">'
        '<figcaption><div class="line"><span>Image</span></div></figcaption></figure>'
    )


def _figure(finding: Mapping[str, Any], picture: Image.Image, path: str, threshold: float) -> str:
    alt = escape(f"Heatmap of {finding['label']} over {path}")
    return (
        f'<figure class="finding"><img src="{_data_url(picture)}" alt="{alt}" tabindex="0">'
        f"<figcaption>{_score(finding['label'], finding['probability'], threshold)}{_note(finding, threshold)}"
        "</figcaption></figure>"
    )


def _linked(finding: Mapping[str, Any], threshold: float) -> str:
    link = f'<a class="note" href="{escape(finding["overlay"])}">picture</a>'
    score = _score(finding["label"], finding["probability"], threshold)
    return f"<figure><figcaption>{score}{_note(finding, threshold)} {link}</figcaption></figure>"


def _note(finding: Mapping[str, Any], threshold: float) -> str:
    below = "" if finding["probability"] >= threshold else ", below threshold"
    return f'<span class="note">peak at ({finding["peak"]["x"]}, {finding["peak"]["y"]}){below}</span>'


def _score(label: str, probability: float, threshold: float) -> str:
    """A label, its probability, and a bar with a tick at the threshold."""
    found = ' class="found"' if probability >= threshold else ""
    return (
        f'<div class="line"><span>{escape(label)}</span><span>{escape(format_probability(probability))}</span></div>'
        f'<div class="meter"><b{found} style="width:{probability:.1%}"></b><i style="left:{threshold:.1%}"></i></div>'
    )


def _others(entry: Mapping[str, Any], explanation: Explanation, thresholds: Mapping[str, float]) -> str:
    """Bars for the labels that have no picture, the most probable first."""
    shown = {finding["label"] for finding in entry["findings"]}
    rest = [pair for pair in explanation.ranking() if pair[0] not in shown]
    bars = "".join(f"<li>{_score(label, probability, thresholds[label])}</li>" for label, probability in rest)
    return f'<ul class="all">{bars}</ul>' if bars else ""


def _legend(scale: str) -> str:
    title, ticks, _ = SCALES[scale]
    colors = blend(np.full((1, 17), BAR_GREY), np.linspace(0, 1, 17, dtype=np.float32)[None], lookup_table(COLORMAP))[0]
    stops = ", ".join("#" + bytes(np.rint(color).astype(np.uint8)).hex() for color in colors)
    marks = "".join(f"<span>{tick}</span>" for tick in ticks)
    bar = f'<i style="background:linear-gradient(90deg, {stops})"></i>'
    return f'<div class="legend">{title}{bar}<span>{marks}</span></div>'


def _data_url(picture: Image.Image) -> str:
    picture = picture.copy()
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
