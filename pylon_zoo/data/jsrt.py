"""JSRT: 247 chest radiographs, 154 with one nodule (Shiraishi et al., AJR 2000).

CLNDAT_EN.txt      a line for each image with a nodule, tabs between: file, subtlety, size in mm, age, sex, x and y of
                   the centre in pixels of 2048×2048, benign or malignant, place, diagnosis
CNNDAT_EN.TXT      a line for each image without: file, age, sex, non-nodule
JPCLN001.IMG, …, JPCNN001.IMG, …    2048×2048 values of two bytes, the higher one first, 12 bits used, white is 0; or
                                    .png and the like of any pixel size
anywhere in ROOT, such as Nodule154images and NonNodule93images
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.data.boxes import clip_boxes
from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.data.images import read_image
from pylon_zoo.data.listing import check_listed, images_below
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, stack_boxes
from pylon_zoo.data.splits import SHARES, assign_stratified
from pylon_zoo.data.tables import read_rows
from pylon_zoo.errors import DataError, ImageError

RAW = ".img"
TABLES = ("clndat_en.txt", "cnndat_en.txt")
FIELDS = (8, 4)  # at least, of a line of each
SIDE, MM_PER_PIXEL, WHITE = 2048, 0.175, 4095
SALT = "pylon_zoo/jsrt"


class _Row(NamedTuple):
    line: int
    box: tuple[float, ...] | None


class Jsrt(RecordDataset):
    """Chest radiographs with one label, a nodule, and a square around it.

    The release tells a nodule's centre and its size: the square has this size as its side, at 0.175 mm a pixel, so that
    it holds the nodule. Shared out 70:10:20 by hash, images with and without nodule apart. Each image is a patient.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split.

    Example:
        >>> Jsrt.classes
        ('Nodule',)
    """

    name = "jsrt"
    classes = ("Nodule",)
    channels = 1

    def __init__(self, root: str | Path, split: str, *, transform: SampleTransform | None = None) -> None:
        super().__init__(root, split, transform)
        found = {path.name.lower(): path for path in sorted(self.root.rglob("*")) if path.name.lower() in TABLES}
        rows: dict[str, _Row] = {}
        listed: dict[str, Path] = {}
        for name, fields in zip(TABLES, FIELDS, strict=True):
            if name not in found:
                raise DataError(f"'{root}' has no {name.upper()} in it: copy the release's tables there.")
            for image, row in _read_rows(found[name], fields).items():
                rows[image], listed[image] = row, found[name]
        strata = [str(row.box is None) for row in rows.values()]
        splits = assign_stratified(list(rows), strata, SHARES, SALT)
        images = [image for image, of in zip(rows, splits, strict=True) if of == split]
        on_disk = images_below(self.root, (RAW, *IMAGE_SUFFIXES))
        missing = [image for image in images if image not in on_disk]
        with row_problems():
            tables = " and ".join(f"'{path}'" for path in found.values())
            check_listed(f"{tables} list them; looked in '{root}' and below", missing, len(images), split)
        self.fill(
            Record(
                on_disk[image],
                image,
                torch.tensor([float(rows[image].box is not None)]),
                _box(rows[image]),
                f"'{listed[image]}' row {rows[image].line}",
                (SIDE, SIDE),
            )
            for image in images
            if image in on_disk
        )

    def read(self, path: Path) -> Tensor:
        """The raw format as float32 in [0, 1], white 1; others as `read_image` does."""
        if path.suffix.lower() != RAW:
            return read_image(path)
        try:
            values = np.fromfile(path, dtype=">u2")
        except OSError as error:
            raise ImageError(f"'{path}' cannot be opened: {error.strerror or error}.") from error
        if values.size != SIDE * SIDE or values.max() > WHITE:
            raise ImageError(f"'{path}' is not {SIDE}×{SIDE} values of 12 bits, two bytes each: copy it again.")
        return torch.from_numpy(1 - values.astype(np.float32).reshape(1, SIDE, SIDE) / WHITE)


def _box(row: _Row) -> Tensor:
    return stack_boxes([]) if row.box is None else clip_boxes(stack_boxes([row.box]), (SIDE, SIDE))


def _read_rows(path: Path, fields: int) -> dict[str, _Row]:
    """Image, without suffix → its line, and the square around its nodule."""
    found: dict[str, _Row] = {}
    for line, cells in read_rows(path, "\t"):
        with row_problems():
            where = f"'{path}' row {line}"
            if len(cells) < fields or not cells[0].upper().startswith("JPC"):
                raise DataError(f"{where} is not a file JPC… and at least {fields - 1} more fields, tabs between them.")
            image = Path(cells[0]).stem
            if image in found:
                raise DataError(f"{where} repeats image '{image}' of row {found[image].line}: remove one of them.")
            found[image] = _Row(line, _square(where, cells) if fields == FIELDS[0] else None)
    return found


def _square(where: str, cells: list[str]) -> tuple[float, ...]:
    try:
        size, x, y = float(cells[2]), float(cells[5]), float(cells[6])
        half = size / MM_PER_PIXEL / 2
    except ValueError:
        half = x = y = -1.0
    if not (0 < half < SIDE and 0 <= x <= SIDE and 0 <= y <= SIDE):
        raise DataError(
            f"{where} has the size '{cells[2]}' and the centre '{cells[5]}', '{cells[6]}': they must be millimetres "
            f"and pixels of {SIDE}×{SIDE}. Correct it."
        )
    return (0.0, x - half, y - half, x + half, y + half)
