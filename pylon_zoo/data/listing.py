"""Which of the images that a table lists are on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.errors import DataError


def list_images(folders: Iterable[Path]) -> dict[str, Path]:
    """File name → path of the images in some folders, the first of a name; one listing for each folder.

    Args:
        folders: those that do not exist are passed over.
    """
    where: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for name in os.listdir(folder):  # noqa: PTH208 (names alone, without a Path for each)
                if name.lower().endswith(IMAGE_SUFFIXES):
                    where.setdefault(name, folder / name)
    return where


def images_below(root: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Name without suffix → path of the images in a folder and all below it, the first of a name.

    Args:
        root: the folder.
        suffixes: what is an image, in lower case.
    """
    where: dict[str, Path] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 (names alone)
            if suffix.lower() in suffixes:
                where.setdefault(stem, Path(folder, name))
    return where


def not_there(root: Path, names: Iterable[str]) -> list[str]:
    """Which files are not on disk; one listing for each folder, because asking for each takes minutes on a network.

    Args:
        root: the folder that names are relative to.
        names: paths, `/` between folders, or absolute.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder not in listed:
            where = root / folder if folder or not name.startswith("/") else Path("/")
            listed[folder] = set(os.listdir(where)) if where.is_dir() else set()  # noqa: PTH208 (names alone)
        # What a listing lacks is asked for: names like `a/../1.png`, or of another case where case does not matter.
        if file not in listed[folder] and not (root / name).is_file():
            missing.append(name)
    return missing


def check_listed(where: str, missing: Sequence[str], total: int, split: str) -> None:
    """Refuse a split whose images are not all on disk.

    Args:
        where: the table that lists them, and the folder that lacks them.
        missing: names of images.
        total: how many the split has.
        split: its name.

    Raises:
        DataError: there is a missing image; names the first three and counts the rest.
    """
    if missing:
        shown = ", ".join(f"'{image}'" for image in missing[:3]) + (", …" if len(missing) > 3 else "")
        raise DataError(
            f"{len(missing)} of the {total} images of split '{split}' are not on disk ({where}): {shown}. Copy them "
            "there, or take their rows out of the table."
        )
