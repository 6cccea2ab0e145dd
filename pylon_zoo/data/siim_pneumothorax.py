"""SIIM-ACR Pneumothorax Segmentation: NIH radiographs with masks of pneumothorax (Kaggle, 2019).

ROOT/train-rle.csv, or stage_2_train.csv      ImageId, EncodedPixels (a blank before the name, in one of them):
                                              a row for each mask, or -1
IMAGEID.dcm, .png, … anywhere in ROOT, such as dicom-images-train/STUDY/SERIES/IMAGEID.dcm; of any pixel size
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, images_below
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset
from pylon_zoo.data.rle import decode_gaps, gap_counts
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_stratified
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError

TABLES = ("stage_2_train.csv", "train-rle.csv")
SIZE = (1024, 1024)  # of every image of the release, and so of every mask
NOTHING = "-1"
SALT = "pylon_zoo/siim_pneumothorax"


class SiimPneumothorax(RecordDataset):
    """Frontal chest radiographs with one label and its mask; boxes are those around the mask's connected regions.

    Masks of one image, by several readers or of several places, are united. The images are shared out 70:10:20 by hash
    of the ID, those with and without pneumothorax apart; patients are not told, so that each image is its own.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        masks: False leaves them out, and the boxes with them.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: the table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split.

    Example:
        >>> SiimPneumothorax.classes
        ('Pneumothorax',)
    """

    name = "siim_pneumothorax"
    classes = ("Pneumothorax",)
    channels = 1

    def __init__(
        self, root: str | Path, split: str, *, masks: bool = True, transform: SampleTransform | None = None
    ) -> None:
        super().__init__(root, split, transform)
        paths = [self.root / name for name in TABLES]
        path = next((one for one in paths if one.is_file()), None)
        if path is None:
            raise DataError(f"'{root}' has neither {' nor '.join(TABLES)}: copy the table there.")
        rows = _read_rows(path)
        splits = assign_stratified(list(rows), [str(bool(of)) for of in rows.values()], SHARES, SALT)
        images = [image for image, of in zip(rows, splits, strict=True) if of == split]
        on_disk = images_below(self.root)
        missing = [image for image in images if image not in on_disk]
        with row_problems():
            check_listed(f"'{path}' lists them; looked in '{root}' and below", missing, len(images), split)
        self.fill(
            Record(
                on_disk[image],
                image,
                torch.tensor([float(bool(rows[image]))]),
                None if masks else no_boxes(),
                masks=partial(_decode, path, rows[image]) if masks else None,
            )
            for image in images
            if image in on_disk
        )


def _read_rows(path: Path) -> dict[str, dict[int, str]]:
    """Image → row → run lengths; none where there is no pneumothorax."""
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("ImageId", "EncodedPixels"))
    found: dict[str, dict[int, str]] = {}
    first: dict[str, int] = {}
    for line, cells in rows:
        with row_problems():
            image, runs = pick(path, line, cells, columns)
            where = f"'{path}' row {line}"
            if not image or not runs:
                raise DataError(f"{where} has no {'EncodedPixels' if image else 'ImageId'}: correct or remove it.")
            if image in first and (runs == NOTHING or not found[image] or runs in found[image].values()):
                raise DataError(f"{where} contradicts or repeats row {first[image]} of '{image}': remove one of them.")
            if runs != NOTHING:
                gap_counts(where, runs, SIZE)
            first.setdefault(image, line)
            found.setdefault(image, {}).update({line: runs} if runs != NOTHING else {})
    if not found:
        raise DataError(f"'{path}' has a header and no rows: copy it again.")
    return found


def _decode(path: Path, runs: dict[int, str], size: tuple[int, int]) -> Tensor:
    """(1, 1024, 1024) bool."""
    mask = torch.zeros(SIZE, dtype=torch.bool)
    for line, text in runs.items():
        mask |= decode_gaps(f"'{path}' row {line}", text, SIZE)
    return mask[None]
