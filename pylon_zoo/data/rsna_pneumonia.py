"""RSNA Pneumonia Detection Challenge: NIH radiographs with boxes of opacities (Shih et al., Radiology: AI 2019).

ROOT/stage_2_train_labels.csv              patientId,x,y,width,height,Target: a row for each box, or one of Target 0
ROOT/stage_2_train_images/PATIENTID.dcm    or .png, .jpg, … of any pixel size
"""

from __future__ import annotations

from pathlib import Path

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, list_images
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_corners, stack_each
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_stratified
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError

TABLE = "stage_2_train_labels.csv"
FOLDERS = ("stage_2_train_images", "images", "train")
COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
SIZE = (1024, 1024)  # of every image of the release, and so what boxes are measured in where a copy is smaller
SALT = "pylon_zoo/rsna_pneumonia"


class RsnaPneumonia(RecordDataset):
    """Frontal chest radiographs with one label, an opacity that may be pneumonia, and boxes around it.

    The labels of the challenge's test images were not released: the training images are shared out 70:10:20 by hash of
    the ID, those with and without opacity apart. Each ID is a patient of its own, as the release has it.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: the table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split.

    Example:
        >>> RsnaPneumonia.classes
        ('Pneumonia',)
    """

    name = "rsna_pneumonia"
    classes = ("Pneumonia",)
    channels = 1

    def __init__(self, root: str | Path, split: str, *, transform: SampleTransform | None = None) -> None:
        super().__init__(root, split, transform)
        path = self.root / TABLE
        present, boxes, lines = _read_rows(path)
        strata = [str(of) for of in present.values()]
        splits = assign_stratified(list(present), strata, SHARES, SALT)
        images = [image for image, of in zip(present, splits, strict=True) if of == split]
        on_disk = {file.stem: file for file in list_images([self.root / folder for folder in FOLDERS]).values()}
        missing = [image for image in images if image not in on_disk]
        with row_problems():
            check_listed(f"'{path}' lists them; looked in {', '.join(FOLDERS)}", missing, len(images), split)
        stacked, none = stack_each(boxes), no_boxes()
        targets = {of: torch.tensor([float(of)]) for of in (False, True)}
        self.fill(
            Record(
                on_disk[image],
                image,
                targets[present[image]],
                stacked.get(image, none),
                f"'{path}' row {', '.join(map(str, lines[image]))}",
                SIZE,
            )
            for image in images
            if image in on_disk
        )


def _read_rows(path: Path) -> tuple[dict[str, bool], dict[str, list[tuple[float, ...]]], dict[str, list[int]]]:
    """Image → whether there is an opacity, → its boxes, and → its rows."""
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], COLUMNS)
    present: dict[str, bool] = {}
    boxes: dict[str, list[tuple[float, ...]]] = {}
    lines: dict[str, list[int]] = {}
    for line, cells in rows:
        with row_problems():
            where = f"'{path}' row {line}"
            image, *numbers, target = pick(path, line, cells, columns)
            if not image or target not in ("0", "1"):
                raise DataError(f"{where} has the patientId '{image}' and the Target '{target}': it must be 0 or 1.")
            if image in present and (target == "0" or not present[image]):
                raise DataError(
                    f"{where} contradicts or repeats row {lines[image][0]} of '{image}': remove one of them."
                )
            if (target == "1") != any(numbers):
                raise DataError(f"{where} has Target {target} and {'a' if any(numbers) else 'no'} box: correct it.")
            if target == "1":
                boxes.setdefault(image, []).append((0.0, *_corners(where, numbers)))
            present[image] = target == "1"
            lines.setdefault(image, []).append(line)
    if not present:
        raise DataError(f"'{path}' has a header and no rows: copy it again.")
    return present, boxes, lines


def _corners(where: str, numbers: list[str]) -> list[float]:
    try:
        x, y, width, height = map(float, numbers)
    except ValueError:
        return check_corners(where, numbers, SIZE)  # which says why it is none
    return check_corners(where, [x, y, x + width, y + height], SIZE)
