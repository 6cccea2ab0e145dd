"""How a notebook shows an explanation: the map of the most probable class, and every class's probability as a bar."""

from __future__ import annotations

from pylon_zoo.explanation.explained import Explained
from pylon_zoo.explanation.page_parts import as_bar, picture_uri
from pylon_zoo.pages import render

BARS = 12
"""Classes that get a bar; further ones, less probable, are counted."""


def explanation_html(explanation: Explained) -> str:
    """A piece of HTML without scripts, whose picture is inside; whatever comes from outside is escaped.

    Args:
        explanation: of one image.

    Returns:
        HTML, some 20 to 60 kB of which are the picture.

    Example:
        >>> import torch
        >>> from pylon_zoo.explanation.explainer import explain; from pylon_zoo.models.build import build_model
        >>> explanation = explain(build_model("pylon_test_resnet", 2), torch.rand(3, 48, 64))
        >>> "data:image/jpeg" in explanation_html(explanation), explanation_html(explanation).count("<tr>")
        (True, 2)
    """
    thresholds = dict(zip(explanation.labels, explanation.thresholds.values, strict=True))
    ranking = explanation.ranking()
    return render(
        "notebook/explanation.html",
        path=explanation.path,
        label=ranking[0][0],
        picture=picture_uri(explanation.overlay(caption=False)),
        bars=[as_bar(*each, thresholds) for each in ranking[:BARS]],
        more=len(ranking) - BARS,
        size=f"{explanation.width} × {explanation.height} px",
        resolution=explanation.resolution,
        thresholds=str(explanation.thresholds),
        relevance=explanation.unit == "relevance",
    )
