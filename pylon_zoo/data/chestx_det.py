"""ChestX-Det: NIH radiographs with boxes and contours of 13 findings (Lian et al., 2021).

ROOT/ChestX_Det_train.json, ROOT/ChestX_Det_test.json    a list of {"file_name", "syms", "boxes", "polygons"}
ROOT/train_data/*.png, ROOT/test_data/*.png              the images; the annotations are in pixels of 1024×1024
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.json_file import read_json, take
from pylon_zoo.data.listing import check_listed, list_images
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_corners, check_fraction, stack_boxes
from pylon_zoo.data.splits import assign_by_hash
from pylon_zoo.errors import DataError, suggest

CLASSES = (
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "Diffuse Nodule",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Fracture",
    "Mass",
    "Nodule",
    "Pleural Thickening",
    "Pneumothorax",
)
CLASS_INDEX = {name: index for index, name in enumerate(CLASSES)}
SIZE = (1024, 1024)  # that boxes and contours are measured in
FILE = "ChestX_Det_{part}.json"
FOLDERS = ("{part}_data", "{part}_data/{part}", "{part}", "images")
VAL_SALT = "pylon_zoo/chestx_det/val"

Contours = list[tuple[int, list[tuple[float, float]]]]


class ChestXDet(RecordDataset):
    """Chest radiographs with boxes, contours, and labels that follow from them.

    The test split is the release's; training and validation share out the rest by hash of the file's name
    (`assign_by_hash`). Patients are not told, so that each image is its own. A box that the release has twice, as one
    image of it does, is taken once.

    Args:
        root: the folder that holds the release.
        split: `"train"`, `"val"` or `"test"`.
        val_fraction: the share of the training images that validate, in [0, 1).
        masks: fill the contours to masks, (13, height, width) of the image on disk.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the entry), or an image is not on disk.
        UnknownNameError: no such split.
        ConfigError: `val_fraction` outside [0, 1).

    Example:
        >>> ChestXDet.classes[:2]
        ('Atelectasis', 'Calcification')
    """

    name = "chestx_det"
    classes = CLASSES
    channels = 1

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        val_fraction: float = 0.125,
        masks: bool = False,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        check_fraction("val_fraction", val_fraction)
        part = "test" if split == "test" else "train"
        path = self.root / FILE.format(part=part)
        entries = _read_entries(path)
        if part == "train":
            shares = {"train": 1 - val_fraction, "val": val_fraction}
            of = assign_by_hash(list(entries), shares, VAL_SALT)
            entries = {name: entry for (name, entry), one in zip(entries.items(), of, strict=True) if one == split}
        folders = [self.root / folder.format(part=part) for folder in FOLDERS]
        on_disk = list_images(folders)
        with row_problems():
            missing = [name for name in entries if name not in on_disk]
            shown = ", ".join(folder.format(part=part) for folder in FOLDERS)
            check_listed(f"'{path}' lists them; looked in {shown}", missing, len(entries), split)
        self.fill(
            Record(
                on_disk[name],
                name,
                _target(contours),
                stack_boxes(boxes),
                f"'{path}' file '{name}'",
                SIZE,
                partial(_fill, contours) if masks else None,
            )
            for name, (boxes, contours) in entries.items()
            if name in on_disk
        )


def _read_entries(path: Path) -> dict[str, tuple[list[tuple[float, ...]], Contours]]:
    """File name → its boxes and contours."""
    found: dict[str, tuple[list[tuple[float, ...]], Contours]] = {}
    for number, entry in enumerate(read_json(path, list)):
        with row_problems():
            where = f"'{path}' entry [{number}]"
            name = take(where, entry, "file_name", str)
            if name in found:
                raise DataError(f"{where} repeats the file '{name}': remove one of them.")
            where = f"{where} ('{name}')"
            names, boxes, polygons = (take(where, entry, key, list) for key in ("syms", "boxes", "polygons"))
            if not len(names) == len(boxes) == len(polygons):
                raise DataError(
                    f"{where} has {len(names)} syms, {len(boxes)} boxes and {len(polygons)} polygons: they belong "
                    "together one by one. Copy the file again."
                )
            indices = [_class_index(where, one) for one in names]
            rows = [
                (float(index), *check_corners(where, box if isinstance(box, list) else [box], SIZE))
                for index, box in zip(indices, boxes, strict=True)
            ]
            contours = [(index, _contour(where, one)) for index, one in zip(indices, polygons, strict=True)]
            found[name] = (list(dict.fromkeys(rows)), contours)
    if not found:
        raise DataError(f"'{path}' has no entries: copy it again.")
    return found


def _class_index(where: str, name: Any) -> int:
    if not isinstance(name, str) or name not in CLASS_INDEX:
        raise DataError(
            f"{where} has the sym {name!r}: it must be one of {', '.join(CLASSES)}.{suggest(str(name), CLASSES)}"
        )
    return CLASS_INDEX[name]


def _contour(where: str, points: Any) -> list[tuple[float, float]]:
    def on_image(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= SIZE[0]

    good = isinstance(points, list) and len(points) > 2
    if not good or not all(isinstance(p, list) and len(p) == 2 and on_image(p[0]) and on_image(p[1]) for p in points):
        raise DataError(
            f"{where} has a polygon that is not three or more points x, y from 0 to {SIZE[0]}: copy the file again."
        )
    return [(x, y) for x, y in points]


def _target(contours: Contours) -> Tensor:
    target = torch.zeros(len(CLASSES))
    target[[index for index, _ in contours]] = 1
    return target


def _fill(contours: Contours, size: tuple[int, int]) -> Tensor:
    """(13, 1024, 1024) bool; a contour's own pixels belong to it."""
    canvases = [Image.new("1", SIZE[::-1]) for _ in CLASSES]
    for index, points in contours:
        ImageDraw.Draw(canvases[index]).polygon(points, fill=1, outline=1)
    return torch.from_numpy(np.stack([np.asarray(canvas, dtype=bool) for canvas in canvases]))
