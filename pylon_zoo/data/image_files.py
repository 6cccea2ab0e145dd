"""Which files are images, and which of them a user means by files, folders and patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pylon_zoo.errors import ImageError


class Format(NamedTuple):
    """A file format: its name, the suffixes its files have, and the bytes they begin with.

    The signatures are those Pillow's formats are told by; BMP's two letters also begin ordinary text, so they decide
    nothing here, and DICOM's magic word comes after a preamble.
    """

    name: str
    suffixes: tuple[str, ...]
    signatures: tuple[bytes, ...] = ()


DICOM = Format("DICOM", (".dcm", ".dicom"))
PILLOW_FORMATS = (
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",)),
    Format("TIFF", (".tif", ".tiff"), (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    Format("BMP", (".bmp",)),
    Format("WEBP", (".webp",), (b"RIFF",)),
)
FORMATS = (*PILLOW_FORMATS, DICOM)
IMAGE_SUFFIXES = tuple(suffix for one in FORMATS for suffix in one.suffixes)
SIGNATURES = tuple(signature for one in FORMATS for signature in one.signatures)


def find_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The image files that files, folders and patterns stand for.

    A file is taken as it is, whatever its name and whether or not it exists, so that the caller can report it. A
    folder is searched to the bottom, and a pattern (`*.png`, `scans/**/*.dcm`) is expanded; both give only files with
    a known suffix (`IMAGE_SUFFIXES`, in any case) and nothing hidden.

    Args:
        paths: one path or several.

    Returns:
        Each file once, in natural order (`2.png` before `10.png`).

    Raises:
        ImageError: a folder or pattern without an image in it, or a folder that cannot be listed.

    Example:
        >>> [path.name for path in find_images(["scan10.png", "scan2.png", "scan10.png"])]
        ['scan2.png', 'scan10.png']
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: dict[str, Path] = {}
    for path in given:
        for file in _expand(Path(path)):
            found.setdefault(os.path.abspath(file), file)  # noqa: PTH100 (resolve() would merge links to one file)
    return sorted(found.values(), key=natural_order)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        files = list(_walk(path))
        where = f"The folder '{path}'"
    elif not path.exists() and glob.has_magic(str(path)):
        matches = [Path(match) for match in glob.iglob(str(path), recursive=True)]  # noqa: PTH207 (any absolute path)
        files = [file for match in matches for file in (_walk(match) if match.is_dir() else [match])]
        where = f"The pattern '{path}'"
    else:
        return [path]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ImageError(f"{where} holds no image: looked for {', '.join(IMAGE_SUFFIXES)}.")
    return images


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(where, name) for name in files if not name.startswith("."))


def _unreadable(error: OSError) -> None:
    raise ImageError(f"The folder '{error.filename}' cannot be listed: {error.strerror}.") from error


def natural_order(path: str | Path) -> tuple[list[str | int], str]:
    """What to sort paths by, so that `2.png` comes before `10.png`."""
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)], str(path)


def mode_of(path: str | Path) -> int:
    """What kind of thing is at a path, for the functions of `stat`; 0 where there is nothing.

    Example:
        >>> mode_of("no such file")
        0
    """
    try:
        return os.stat(path).st_mode  # noqa: PTH116 (of a text, without making a Path of it)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a name that no file can have
        return 0
