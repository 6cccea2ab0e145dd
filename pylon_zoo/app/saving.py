"""What a user takes home, made in memory: the pictures shown, all results as CSV or JSON, and the report in a ZIP."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from pylon_zoo.app.drawing import View, label_of, overlay, scene_of
from pylon_zoo.app.studio import Desk, Picture, Studio
from pylon_zoo.errors import PylonZooError
from pylon_zoo.explanation.batch import Source, explain_to_folder
from pylon_zoo.explanation.finding import Finding
from pylon_zoo.explanation.names import slug
from pylon_zoo.explanation.result import Explanation

COLUMNS = (
    "image",
    "width",
    "height",
    "label",
    "probability",
    "threshold",
    "found",
    "peak_x",
    "peak_y",
    "boxes",
    "error",
)


def as_download(name: str, kind: str, content: bytes) -> str:
    """A file for the page's script, which saves it; never the same text twice, so that it can be asked for again.

    Args:
        name: of the file.
        kind: its media type.
        content: its bytes.

    Example:
        >>> sorted(json.loads(as_download("a.txt", "text/plain", b"a")))
        ['at', 'content', 'name', 'type']
    """
    encoded = base64.b64encode(content).decode()
    return json.dumps({"name": name, "type": kind, "content": encoded, "at": time.time_ns()})


def pictures(desk: Desk, view: View) -> tuple[str, bytes]:
    """The pictures that are shown, side by side, captions below: file name, PNG."""
    drawn = [overlay(desk, side, view, scene_of(side, view), caption=True) for side in desk.sides]
    sheet = Image.new("RGB", (sum(one.width for one in drawn), max(one.height for one in drawn)))
    left = 0
    for one in drawn:
        sheet.paste(one, (left, 0))
        left += one.width
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=4)
    shown = desk.sides[0]
    name = f"{slug(Path(shown.explanation.path).stem, 'image')}__{slug(label_of(shown, view), 'label')}.png"
    return name, buffer.getvalue()


def explained(studio: Studio, desk: Desk, source: str) -> Iterator[tuple[str, Explanation | str]]:
    """Name and explanation, or why there is none, of every image of a desk; one is held at a time."""
    for picture in desk.pictures:
        if picture.problem:
            yield picture.name, picture.problem
            continue
        try:
            image, _ = studio.read(picture)
            yield picture.name, studio.explain(image, picture.name, source).explanation
        except PylonZooError as error:
            yield picture.name, str(error)


def table(studio: Studio, desk: Desk, source: str) -> bytes:
    """A line per image and class, the most probable first; of an image that cannot be shown, one that says why: CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name, outcome in explained(studio, desk, source):
        if isinstance(outcome, str):
            writer.writerow({"image": name, "error": outcome})
            continue
        size = {"image": name, "width": outcome.width, "height": outcome.height}
        for finding in outcome.findings:
            values = _values(finding)
            peak = values.pop("peak")
            boxes = " ".join("-".join(map(str, box)) for box in values.pop("boxes"))
            writer.writerow({**size, **values, "peak_x": peak["x"], "peak_y": peak["y"], "boxes": boxes})
    return text.getvalue().encode()


def results(studio: Studio, desk: Desk, source: str) -> bytes:
    """The same as JSON, laid out as `results.json` of `pylon-zoo explain`, with every class, threshold and box."""
    images: list[dict[str, Any]] = []
    for name, outcome in explained(studio, desk, source):
        if isinstance(outcome, str):
            images.append({"path": name, "width": None, "height": None, "error": outcome, "findings": []})
            continue
        findings = [_values(finding) for finding in outcome.findings]
        size = {"width": outcome.width, "height": outcome.height}
        images.append({"path": name, **size, "error": None, "findings": findings})
    return (json.dumps({"model": source, "images": images}, indent=2, allow_nan=False) + "\n").encode()


def report(studio: Studio, desk: Desk, source: str, scaling: str) -> bytes:
    """The folder that `pylon-zoo explain` writes, as a ZIP; images that cannot be shown are told of in `left-out.txt`.

    It is written to a temporary folder that is gone when this returns.
    """
    problems = studio.problems(desk)
    images = _Read(studio, [one for place, one in enumerate(desk.pictures) if place not in problems])
    buffer = io.BytesIO()
    with TemporaryDirectory() as folder, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        model = studio.sources[source]
        explain_to_folder(model, images, folder, model_name=source, scaling=scaling, batch_size=1)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
        if problems:
            archive.writestr("left-out.txt", "".join(f"{problem}\n" for problem in problems.values()))
    return buffer.getvalue()


class _Read(Sequence[Source]):
    """Names and images of pictures, decoded when they are asked for: all at once would not fit."""

    def __init__(self, studio: Studio, pictures: Sequence[Picture]) -> None:
        self._studio, self._pictures = studio, pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            return [self[place] for place in range(*places.indices(len(self)))]
        picture = self._pictures[places]
        return picture.name, self._studio.read(picture)[0]


def _values(finding: Finding) -> dict[str, Any]:
    return {
        "label": finding.label,
        "probability": round(finding.probability, 6),
        "threshold": round(finding.threshold, 6),
        "found": finding.found,
        "peak": {"x": finding.peak.x, "y": finding.peak.y},
        "boxes": [list(box) for box in finding.boxes],
    }
