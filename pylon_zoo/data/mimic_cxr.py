"""MIMIC-CXR-JPG (Johnson et al., 2019), with the boxes of MS-CXR (Boecking et al., ECCV 2022) where they are there.

All tables perhaps as .csv.gz, in version 2.1.0 by the same names:
ROOT/mimic-cxr-2.0.0-chexpert.csv     subject_id,study_id and 14 findings: 1.0, 0.0, -1.0 or empty
ROOT/mimic-cxr-2.0.0-metadata.csv     dicom_id,subject_id,study_id,…,ViewPosition,…
ROOT/mimic-cxr-2.0.0-split.csv        dicom_id,study_id,subject_id,split: train, validate or test
ROOT/files/p10/p10000032/s50414267/DICOM_ID.jpg
ROOT/MS_CXR_Local_Alignment_v1.1.0.csv, or v1.0.0, or in ROOT/ms-cxr    optional:
                                      dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pylon_zoo.data.boxes import scale_boxes
from pylon_zoo.data.chexpert_labels import CLASSES, Values, check_views
from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_corners, stack_boxes
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import check_patient_leak
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, suggest

TABLE = "mimic-cxr-2.0.0-{}.csv"
ENDINGS = ("", ".gz")
BOX_TABLES = tuple(
    f"{folder}MS_CXR_Local_Alignment_v{version}.csv" for version in ("1.1.0", "1.0.0") for folder in ("", "ms-cxr/")
)
BOX_COLUMNS = ("dicom_id", "category_name", "x", "y", "w", "h", "image_width", "image_height")
SPLIT_NAMES = {"train": "train", "validate": "val", "test": "test"}
VIEWS = {"frontal": ("PA", "AP"), "lateral": ("LATERAL", "LL")}


class _Image(NamedTuple):
    subject: str
    study: str


class _Boxes(NamedTuple):
    size: tuple[int, int]
    rows: list[tuple[float, ...]]
    lines: list[int]


class MimicCxr(RecordDataset):
    """Chest radiographs with 13 labels of their study; "No Finding" follows from them and is not read.

    Splits are the release's. A box is scaled from the width and height that MS-CXR says it was drawn on, and makes its
    finding present whatever the labeller read in the report: radiologists have looked at those images. Images whose
    study has no row of labels are left out, as are other views.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        uncertain: what -1 becomes: `"ones"`, `"zeros"` or `"ignore"` (NaN).
        blank: what a finding becomes that the report does not mention: `"zeros"` or `"ignore"`.
        views: `"frontal"` (PA and AP), `"lateral"` or `"all"`.
        boxed: only images with boxes.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), an image is not on disk, or two splits share
            a patient.
        UnknownNameError: no such split or policy.

    Example:
        >>> MimicCxr.classes[:2]
        ('Enlarged Cardiomediastinum', 'Cardiomegaly')
    """

    name = "mimic_cxr"
    classes = CLASSES
    channels = 1

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        uncertain: str = "ignore",
        blank: str = "zeros",
        views: str = "frontal",
        boxed: bool = False,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        values, views = Values(uncertain, blank), check_views(views)
        labels = _read_labels(self._table("chexpert"), values)
        images = _read_images(self._table("metadata"), views)
        members = _read_splits(self._table("split"), images)
        box_table = next((self.root / name for name in BOX_TABLES if (self.root / name).is_file()), None)
        boxes = {} if box_table is None else _read_boxes(box_table)
        wanted = [dicom for dicom in members[split] if images[dicom] in labels and (dicom in boxes or not boxed)]
        paths = {dicom: self._path(dicom, images[dicom]) for dicom in wanted}
        missing = [dicom for dicom, path in paths.items() if not path.is_file()]
        with row_problems():
            check_listed(f"'{self._table('split')}' lists them", missing, len(wanted), split)
        absent, none = set(missing), no_boxes()
        records = []
        for dicom in wanted:
            if dicom not in absent:
                target, of = labels[images[dicom]], boxes.get(dicom)
                if of is not None:
                    target = target.clone()
                    target[[int(row[0]) for row in of.rows]] = 1
                where = f"'{box_table}' row {', '.join(map(str, of.lines))}" if of else ""
                records.append(
                    Record(
                        paths[dicom],
                        images[dicom].subject,
                        target,
                        stack_boxes(of.rows) if of else none,
                        where,
                        of.size if of else None,
                    )
                )
        self.fill(records)

    def _table(self, which: str) -> Path:
        paths = [self.root / f"{TABLE.format(which)}{end}" for end in ENDINGS]
        return next((path for path in paths if path.is_file()), paths[0])

    def _path(self, dicom: str, of: _Image) -> Path:
        return self.root / "files" / f"p{of.subject[:2]}" / f"p{of.subject}" / f"s{of.study}" / f"{dicom}.jpg"


def _read_labels(path: Path, values: Values) -> dict[_Image, Tensor]:
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("subject_id", "study_id", *CLASSES))
    found: dict[_Image, Tensor] = {}
    known: dict[tuple[str, ...], Tensor] = {}
    for line, cells in rows:
        with row_problems():
            subject, study, *texts = pick(path, line, cells, columns)
            key, of = tuple(texts), _Image(subject, study)
            if of in found:
                raise DataError(f"'{path}' row {line} repeats study '{study}': remove one of them.")
            if key not in known:
                known[key] = torch.tensor(values.read(f"'{path}' row {line}", CLASSES, texts))
            found[of] = known[key]
    return found


def _read_images(path: Path, views: str) -> dict[str, _Image]:
    """DICOM ID → patient and study, of the wanted views."""
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("dicom_id", "subject_id", "study_id", "ViewPosition"))
    wanted = VIEWS.get(views)
    found: dict[str, _Image] = {}
    for line, cells in rows:
        with row_problems():
            dicom, subject, study, view = pick(path, line, cells, columns)
            if dicom in found:
                raise DataError(f"'{path}' row {line} repeats image '{dicom}': remove one of them.")
            if wanted is None or view in wanted:
                found[dicom] = _Image(subject, study)
    return found


def _read_splits(path: Path, images: dict[str, _Image]) -> dict[str, list[str]]:
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("dicom_id", "split"))
    members: dict[str, list[str]] = {name: [] for name in SPLIT_NAMES.values()}
    for line, cells in rows:
        with row_problems():
            dicom, split = pick(path, line, cells, columns)
            if split not in SPLIT_NAMES:
                raise DataError(f"'{path}' row {line} has the split '{split}': it must be {', '.join(SPLIT_NAMES)}.")
            if dicom in images:
                members[SPLIT_NAMES[split]].append(dicom)
    try:
        check_patient_leak(**{name: [images[dicom].subject for dicom in of] for name, of in members.items()})
    except DataError as error:
        with row_problems():
            raise DataError(f"The splits of '{path}' leak. {error}") from error
    return members


def _read_boxes(path: Path) -> dict[str, _Boxes]:
    """DICOM ID → its boxes in pixels of the size they were drawn on."""
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], BOX_COLUMNS)
    found: dict[str, _Boxes] = {}
    for line, cells in rows:
        with row_problems():
            where = f"'{path}' row {line}"
            dicom, name, *texts = pick(path, line, cells, columns)
            if name not in CLASSES:
                raise DataError(
                    f"{where} has the category '{name}': it must be one of {', '.join(CLASSES)}."
                    f"{suggest(name, CLASSES)}"
                )
            x, y, width, height, across, down = _numbers(where, texts)
            size = (int(down), int(across))
            corners = check_corners(where, [x, y, x + width, y + height], size)
            of = found.setdefault(dicom, _Boxes(size, [], []))
            row = (float(CLASSES.index(name)), *corners)
            if size != of.size:  # the image in two sizes: both boxes go to the first
                row = tuple(scale_boxes(torch.tensor([row]), size, of.size)[0].tolist())
            if row not in of.rows:  # one region is marked for several phrases
                of.rows.append(row)
            of.lines.append(line)
    return found


def _numbers(where: str, texts: list[str]) -> list[float]:
    try:
        numbers = [float(text) for text in texts]
        if min(numbers[4:]) >= 1 and max(numbers) < 1e6:
            return numbers
    except ValueError:
        pass
    raise DataError(
        f"{where} has x, y, w, h, image_width, image_height = {', '.join(texts)}: they must be numbers, the last two "
        "above 0. Correct or remove it."
    )
