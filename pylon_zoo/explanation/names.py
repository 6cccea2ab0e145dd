"""File names for images and labels: readable, safe on every file system, never the same twice."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

LONGEST = 60
DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
"""Names that Windows takes for a device, whatever suffix follows."""


def slug(text: str, empty: str) -> str:
    """Text as a piece of a file name: ASCII letters, digits, `-` and single `_`, at most `LONGEST` of them.

    Args:
        text: any.
        empty: what to use where nothing is left of it.

    Example:
        >>> slug("Pleural/thickening  (left)", "label"), slug("结节", "label")
        ('Pleural_thickening_left', 'label')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_-")[:LONGEST].strip("_-") or empty


class ImageNames:
    """Hands out a distinct slug for every image, also where folders hold images of the same name.

    Example:
        >>> names = ImageNames()
        >>> names.take("a/chest.png"), names.take("b/Chest.png")
        ('chest', 'Chest-2')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set(DEVICES)

    def take(self, path: str) -> str:
        """A name that was not handed out before, not even in other case."""
        base = name = slug(PurePath(path).stem, "image")
        count = 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{base}-{count}"
        self._taken.add(name.casefold())
        return name


def overlay_name(image: str, rank: int, label: str) -> str:
    """The file of an image's `rank`-th finding. Slugs hold no `__`, so two findings never share a file."""
    return f"{image}__{rank}_{slug(label, 'label')}.png"
