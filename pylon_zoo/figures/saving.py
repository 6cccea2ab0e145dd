"""Figures as files: PDF, SVG and PNG with the same content, byte for byte the same whenever they are drawn."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.figures.style import look
from pylon_zoo.files import make_folder, write_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LACKS = r"Glyph \d+ .*missing from"
"""How Matplotlib warns of a letter that it draws as a box."""
DPI = 300
"""Of images in a figure, and of PNG: what journals ask of photographs."""
FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}
"""Format → what keeps the day it was drawn out of the file."""


def formats_of(out: str | Path) -> tuple[Path, tuple[str, ...]]:
    """A figure's name as it is given: with the suffix of a format, or without for all of them.

    Args:
        out: the path.

    Returns:
        The path without suffix, and the formats.

    Raises:
        ConfigError: another suffix.

    Example:
        >>> formats_of("maps.pdf"), formats_of("maps")
        ((PosixPath('maps'), ('pdf',)), (PosixPath('maps'), ('pdf', 'svg', 'png')))
    """
    path = Path(out)
    if not path.suffix:
        return path, tuple(FORMATS)
    kind = path.suffix[1:].lower()
    if kind not in FORMATS:
        raise ConfigError(
            f"--out {out} ends in {path.suffix}: a figure is {', '.join(f'.{one}' for one in FORMATS)}; without one of "
            "these, all are written."
        )
    return path.with_suffix(""), (kind,)


def content_of(figure: Figure, kind: str, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a file.

    Args:
        figure: drawn by this room.
        kind: a key of `FORMATS`.
        dpi: pixels per inch of PNG.

    Raises:
        ConfigError: the font lacks a letter, which PDF and PNG cannot do without; whoever shows an SVG has others.
        MissingDependencyError: Matplotlib is not installed.
    """
    content = io.BytesIO()
    with look(), warnings.catch_warnings():
        warnings.filterwarnings("ignore" if kind == "svg" else "error", LACKS)
        try:
            figure.savefig(content, format=kind, dpi=dpi, metadata=FORMATS[kind])
        except UserWarning as warning:
            letter = chr(int(re.findall(r"\d+", str(warning))[0]))
            raise ConfigError(
                f"The font of figures has no {letter!r}, which .{kind} needs: name classes, rows and columns in other "
                "letters, or write .svg alone."
            ) from warning
    return content.getvalue()


def save(figure: Figure, out: str | Path, *, dpi: int = DPI) -> list[Path]:
    """Write a figure, all its files or none.

    Args:
        figure: drawn by this room.
        out: its path with `.pdf`, `.svg` or `.png`; without, all three are written. The folder is made.
        dpi: pixels per inch of PNG.

    Returns:
        The files.

    Raises:
        ConfigError: another suffix, a letter that the font lacks, or the folder cannot be one.
        MissingDependencyError: Matplotlib is not installed.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.figures.style import blank
        >>> [path.name for path in save(blank(3.5, 2), Path(mkdtemp(), "empty"))]
        ['empty.pdf', 'empty.svg', 'empty.png']
    """
    path, kinds = formats_of(out)
    folder = make_folder(path.parent)
    contents = {f"{path.name}.{kind}": content_of(figure, kind, dpi) for kind in kinds}
    write_together(folder, contents)
    return [folder / name for name in contents]
