"""Where the cells of a map can be taken to lie, by name; `pylon_zoo.cells` says where that is."""

from __future__ import annotations

from pylon_zoo.errors import ConfigError

PLACEMENTS = ("exact", "paper")
"""How maps are drawn and judged: each cell at the pixels it sees, or as if cells tiled the image, as the paper and the
literature on class activation maps do."""


def check_placement(placement: object) -> None:
    """Refuse a placement that is none of `PLACEMENTS`.

    Raises:
        ConfigError: names the two.
    """
    if placement not in PLACEMENTS:
        raise ConfigError(
            f"placement={placement!r} is not valid; give 'exact', which draws each cell where it looks, or 'paper', "
            "which draws cells as tiles of the image, to compare with published figures."
        )
