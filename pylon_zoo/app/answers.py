"""What the page answers to what a user does: the new desk, and the pieces of the page that change. No Gradio here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from pylon_zoo.app import markup, saving
from pylon_zoo.app.drawing import View
from pylon_zoo.app.studio import Desk, Studio
from pylon_zoo.errors import PylonZooError
from pylon_zoo.explanation.overlay import to_picture

TYPES = {"csv": "text/csv", "json": "application/json"}
TABLES = {"csv": saving.table, "json": saving.results}


def received(files: Any, folder: Path) -> list[tuple[str, bytes | None, int]]:
    """The files that a browser says it has sent, read and gone from the disk.

    Args:
        files: of the page's script: `name`, `size` in bytes and `path`, empty where it was not sent. Whoever talks to
            the server may say anything, so what lies outside `folder` is not looked at.
        folder: where files that are sent arrive.

    Returns:
        Name, content (None where there is none), and size of each.
    """
    found: list[tuple[str, bytes | None, int]] = []
    for one in files if isinstance(files, list) else []:
        if not isinstance(one, Mapping):
            continue
        name, path = str(one.get("name") or "file"), Path(str(one.get("path") or "")).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            content = path.read_bytes()
            path.unlink(missing_ok=True)
            found.append((name, content, len(content)))
        else:
            size = one.get("size")
            found.append((name, None, size if isinstance(size, int) else 0))
    return found


def dropped(
    studio: Studio, files: list[tuple[str, bytes | None, int]], left_out: int, sources: Sequence[str], view: View
) -> tuple[Desk, View, str, str, str]:
    """New images: the desk, the view with the first one's class, and the strip, bars and panels."""
    pictures = studio.taken(files)
    more = left_out + len(files) - len(pictures)
    note = f"{more} more were left out: at most {studio.limits.files} are taken at a time." if more else ""
    desk = studio.brought(pictures, sources)
    return _shown(studio, desk, replace(view, label=""), note)


def opened(studio: Studio, place: int, sources: Sequence[str], view: View) -> tuple[Desk, View, str, str, str]:
    """An image of the dataset, by its place from 0; what `dropped` gives."""
    desk = studio.brought([studio.from_dataset(place)], sources)
    return _shown(studio, desk, replace(view, label=""), "")


def listed(studio: Studio, desk: Desk) -> str:
    """The strip with a small picture of each image, or what is wrong with it."""
    if len(desk.pictures) < 2:  # there is nothing to choose from, so nothing to decode once more
        return markup.strip(desk, {}, {})
    thumbnails: dict[int, Image.Image] = {}
    problems: dict[int, str] = {}
    for place, picture in enumerate(desk.pictures):
        if picture.problem:
            continue
        try:
            image, _ = studio.read(picture)
        except PylonZooError as error:
            problems[place] = str(error)
            continue
        scale = markup.THUMB_SIDE / max(image.shape[1:])
        size = (max(1, round(image.shape[2] * scale)), max(1, round(image.shape[1] * scale)))
        thumbnails[place] = to_picture(image, size).convert("RGB")
    return markup.strip(desk, thumbnails, problems)


def picked(studio: Studio, desk: Desk, place: int, sources: Sequence[str], view: View) -> tuple[Desk, View, str, str]:
    """Another of the images, or of the sources: the desk, the view, bars and panels; a class that was chosen stays."""
    desk, view, _, bars, panels = _shown(studio, studio.looked_at(desk, sources, place), view, "")
    return desk, view, bars, panels


def redrawn(studio: Studio, desk: Desk, view: View) -> tuple[Desk, str]:
    """The same image otherwise: the desk, and panels."""
    desk = studio.with_levels(desk) if view.levels else desk
    return desk, markup.panels(desk, view)


def saved(studio: Studio, desk: Desk, what: str, source: str, view: View) -> str:
    """What a user takes home, for the page's script; empty where there is nothing.

    Args:
        studio, desk, view: theirs.
        what: `"picture"`, `"report"`, `"csv"` or `"json"`.
        source: of the results.
    """
    if what == "picture":
        return saving.as_download(*_typed(saving.pictures(desk, view), "image/png")) if desk.sides else ""
    if not desk.pictures:
        return ""
    if what == "report":
        archive = saving.report(studio, desk, source, view.scaling)
        return saving.as_download("explained.zip", "application/zip", archive)
    return saving.as_download(f"results.{what}", TYPES[what], TABLES[what](studio, desk, source))


def _typed(file: tuple[str, bytes], kind: str) -> tuple[str, str, bytes]:
    return file[0], kind, file[1]


def _shown(studio: Studio, desk: Desk, view: View, note: str) -> tuple[Desk, View, str, str, str]:
    desk = studio.with_levels(desk) if view.levels else desk
    return desk, view, markup.strip(desk, {}, {}, note), markup.bars(desk, view), markup.panels(desk, view)
