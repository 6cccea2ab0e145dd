"""Figures for papers: maps in rows and columns, and curves of what `evaluate` and `train` wrote."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pylon_zoo.figures.drawing import draw, redraw, write
    from pylon_zoo.figures.maps import MapRow, draw_maps
    from pylon_zoo.figures.recipe import (
        ColumnSection,
        CurvesRecipe,
        DataSection,
        MapsRecipe,
        RowSection,
        SourceSection,
        read_recipe,
    )
    from pylon_zoo.figures.saving import save
else:
    from pylon_zoo.lazy import lazily as _lazily

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "drawing": ["draw", "redraw", "write"],
            "maps": ["MapRow", "draw_maps"],
            "recipe": [
                "ColumnSection",
                "CurvesRecipe",
                "DataSection",
                "MapsRecipe",
                "RowSection",
                "SourceSection",
                "read_recipe",
            ],
            "saving": ["save"],
        },
    )

__all__ = [
    "ColumnSection",
    "CurvesRecipe",
    "DataSection",
    "MapRow",
    "MapsRecipe",
    "RowSection",
    "SourceSection",
    "draw",
    "draw_maps",
    "read_recipe",
    "redraw",
    "save",
    "write",
]
