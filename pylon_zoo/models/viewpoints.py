"""Names → views of an image that a model may look at; `pylon_zoo.models.views` takes their mean."""

from __future__ import annotations

from typing import NamedTuple

from pylon_zoo.errors import UnknownNameError, suggest


class View(NamedTuple):
    """One view of an image.

    Attributes:
        symmetry: which of the eight symmetries of the square, see `pylon_zoo.symmetries.dihedral`.
        scale: how many times as large.
    """

    symmetry: int = 0
    scale: float = 1.0


VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "mirror": (View(), View(1)),
    "turns": (View(), View(5), View(3), View(6)),
    "all": tuple(map(View, range(8))),
    "scales": (View(), View(0, 1.25)),
}
"""Name → views, the image itself first. `mirror` is for images with an up and a down whose left and right are alike,
`turns` (the four quarter turns) and `all` (mirror images too) for images without, such as tissue or circuit boards."""


def check_views(views: object) -> None:
    """Refuse what is no key of `VIEWS`.

    Raises:
        UnknownNameError: names the nearest.
    """
    if views not in VIEWS:
        raise UnknownNameError(f"views={views!r} is not one of {', '.join(VIEWS)}.{suggest(str(views), VIEWS)}")
