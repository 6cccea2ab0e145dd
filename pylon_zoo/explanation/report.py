"""A report of many explained images as one HTML file that needs nothing else: pictures inside, no request anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from pylon_zoo.explanation.caption import BAR_GREY
from pylon_zoo.explanation.colors import MAX_OPACITY, blend, lookup_table
from pylon_zoo.explanation.overlay import COLORMAP, display_size, to_picture
from pylon_zoo.explanation.page_parts import as_bar, picture_uri
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.pages import render

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
        self._cards: list[Mapping[str, Any]] = []
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
        sources: list[str | None] = [None] * (1 + len(pictures))
        if self._pictured < PICTURED_AT_MOST:
            self._pictured += 1
            size = display_size(explanation.width, explanation.height)
            sources = [picture_uri(picture) for picture in (to_picture(explanation.image, size), *pictures)]
        findings = [
            {**finding, **as_bar(finding["label"], finding["probability"], thresholds), "picture": source}
            for finding, source in zip(entry["findings"], sources[1:], strict=True)
        ]
        shown = {finding["label"] for finding in findings}
        others = [as_bar(*pair, thresholds) for pair in explanation.ranking() if pair[0] not in shown]
        card = {"original": sources[0], "findings": findings, "others": others}
        self._cards.append({**entry, "file": PurePath(entry["path"]), **card})

    def add_error(self, entry: Mapping[str, Any]) -> None:
        """A card for an image that could not be explained."""
        self._cards.append({**entry, "file": PurePath(entry["path"])})

    def html(self) -> str:
        """The page."""
        failed = sum(card["error"] is not None for card in self._cards)
        explained = len(self._cards) - failed
        title, ticks, caution = SCALES[self.scale]
        return render(
            "explanations.html",
            title=self.model_name,
            facts={"Images": f"{explained} explained" + (f", {failed} failed" if failed else ""), **self.facts},
            scale={"title": title, "ticks": ticks, "colors": legend_colors()},
            meaning=MEANINGS[self.unit],
            caution=caution,
            explained=explained,
            pictured=self._pictured,
            cards=self._cards,
        )


def legend_colors(colormap: str = COLORMAP, opacity: float = MAX_OPACITY) -> list[str]:
    """The colours of a legend for values from 0 to 1, as they look over a medium grey.

    Args:
        colormap, opacity: as for `render_overlay`.

    Example:
        >>> legend_colors()[0], len(legend_colors("viridis", 1.0))
        ('#6e6e6e', 17)
    """
    values = np.linspace(0, 1, 17, dtype=np.float32)[None]
    colors = blend(np.full((1, 17), BAR_GREY), values, lookup_table(colormap), opacity)[0]
    return ["#" + bytes(np.rint(color).astype(np.uint8)).hex() for color in colors]
