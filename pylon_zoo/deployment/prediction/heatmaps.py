"""Heatmaps as small files: 8-bit PNG that says how to get the logits back, or float16 npz."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from pylon_zoo import remote
from pylon_zoo.errors import ImageError
from pylon_zoo.explanation.names import slug
from pylon_zoo.explanation.result import Explanation

CLASSES = ("found", "all")
SCALE, OFFSET, LABEL, UNIT, PATH, CELLS = (
    f"pylon_zoo:{word}" for word in ("scale", "offset", "label", "unit", "path", "cells")
)


class HeatmapFiles(NamedTuple):
    """Where heatmaps go, and which.

    Attributes:
        folder: a path, or an address; one folder in it for every part of the result, made as needed.
        kind: `"png"` or `"npz"`.
        classes: `"found"`, those with a box, or `"all"`.
    """

    folder: str
    kind: str
    classes: str = "found"

    def write(self, explanation: Explanation, number: int, part: int) -> list[dict[str, str]]:
        """Write the heatmaps of one image.

        Args:
            explanation: of the image.
            number: its row, which makes the names distinct.
            part: its part.

        Returns:
            What the column `heatmaps` says: label and file, from `folder`.
        """
        labels = [label for label in explanation.labels if self.classes == "all" or explanation.finding(label).boxes]
        if not labels:
            return []
        stem = f"{part:05d}/{number:08d}"
        maps = {label: explanation.native_heatmaps[explanation.index(label)].numpy() for label in labels}
        if not remote.is_remote(self.folder):
            files = _write(Path(self.folder), self.kind, stem, maps, explanation)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                files = _write(Path(scratch), self.kind, stem, maps, explanation)
                for file in sorted(set(files.values())):
                    remote.upload(Path(scratch, file), f"{self.folder}/{file}")
        return [{"label": label, "file": file} for label, file in files.items()]


def _write(
    folder: Path, kind: str, stem: str, maps: Mapping[str, np.ndarray], explanation: Explanation
) -> dict[str, str]:
    (folder / stem).parent.mkdir(parents=True, exist_ok=True)
    return WRITERS[kind](folder, stem, maps, explanation)


def read_heatmaps(path: str | Path) -> dict[str, np.ndarray]:
    """The heatmaps in a file that `predict` wrote.

    Args:
        path: a `.png` (one class) or `.npz` (one or several).

    Returns:
        Label → (h, w) float32 raw logits at the model's own resolution. From a PNG they are within half a step of
        what the model said (a step is the map's range / 255), from an npz rounded to float16.

    Raises:
        ImageError: another kind of file.

    Example:
        >>> import tempfile; file = Path(tempfile.mkdtemp(), "map.png")
        >>> write_png(file, np.array([[-3.0, 2.0]], np.float32), {LABEL: "mass"})
        >>> read_heatmaps(file)["mass"].round(2).tolist()
        [[-3.0, 2.0]]
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with np.load(path) as saved:
                return dict(zip(saved["labels"].tolist(), saved["heatmaps"].astype(np.float32), strict=True))
        with Image.open(path) as image:
            if not isinstance(image, PngImageFile):
                raise ValueError("no PNG")
            steps = np.asarray(image, dtype=np.float64)
            values = float(image.text[OFFSET]) + steps * float(image.text[SCALE])
            return {image.text[LABEL]: values.astype(np.float32)}
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"'{path}' holds no heatmaps: give a PNG or npz that `pylon-zoo predict` wrote.") from error


def write_png(path: Path, heatmap: np.ndarray, text: Mapping[str, str]) -> None:
    """One map as 8-bit grey; its text says `offset + scale * grey` gives the values back.

    Args:
        path: the file.
        heatmap: (h, w) floating point, finite.
        text: further entries of the PNG's text.
    """
    values = heatmap.astype(np.float64)
    offset = float(values.min())
    scale = (float(values.max()) - offset) / 255
    grey = np.rint((values - offset) / scale) if scale else np.zeros_like(values)
    info = PngInfo()
    for key, value in {SCALE: repr(scale), OFFSET: repr(offset), **text}.items():
        info.add_itxt(key, value)
    Image.fromarray(grey.astype(np.uint8)).save(path, "png", pnginfo=info)


def _write_pngs(folder: Path, stem: str, maps: Mapping[str, np.ndarray], explanation: Explanation) -> dict[str, str]:
    files = {}
    for label, heatmap in maps.items():
        # Labels may differ in characters that no file name can have; their place in the model tells them apart.
        files[label] = f"{stem}_{explanation.index(label)}_{slug(label, 'label')}.png"
        text = {LABEL: label, UNIT: explanation.unit, PATH: explanation.path, CELLS: json.dumps(_cells(explanation))}
        write_png(folder / files[label], heatmap, text)
    return files


def _write_npz(folder: Path, stem: str, maps: Mapping[str, np.ndarray], explanation: Explanation) -> dict[str, str]:
    heatmaps = np.stack(list(maps.values())).astype(np.float16)
    file = f"{stem}.npz"
    np.savez_compressed(
        folder / file,
        heatmaps=heatmaps,
        labels=np.array(list(maps)),
        path=np.array(explanation.path),
        cells=np.array(_cells(explanation)),
    )
    return dict.fromkeys(maps, file)


def _cells(explanation: Explanation) -> list[list[float]]:
    """First cell and step, each (vertical, horizontal), in pixels of the image."""
    return [list(explanation.cells.first), list(explanation.cells.step)]


WRITERS: dict[str, Callable[[Path, str, Mapping[str, np.ndarray], Explanation], dict[str, str]]] = {
    "png": _write_pngs,
    "npz": _write_npz,
}
"""Kind → what writes the maps of one image and says which file holds which label."""
