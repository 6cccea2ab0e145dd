"""A user's own images, labelled in a plain CSV table.

ROOT/labels.csv   a row for each image, with the columns
                  image                     its path, from ROOT (or absolute)
                  labels                    what is present, joined by `|`; empty or "No Finding" for nothing
                  or a column for each label: 1 present, 0 absent, -1 uncertain, empty unknown
                  patient (optional)        whose it is; without it, each image is its own
                  split (optional)          train, val or test; without it, 70:10:20 by hash of the patient
ROOT/boxes.csv    optional: image,label,x0,y0,x1,y1, in pixels of the image, from its upper left corner
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.label_names import names_in
from pylon_zoo.data.labels import uncertain_value
from pylon_zoo.data.listing import check_listed, not_there
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_channels, check_corners, stack_each
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_by_hash, check_patient_leak
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, suggest

TABLE, BOX_TABLE = "labels.csv", "boxes.csv"
IMAGE, LABELS, PATIENT, SPLIT = "image", "labels", "patient", "split"
BOX_COLUMNS = (IMAGE, "label", "x0", "y0", "x1", "y1")
NOTHING = ("", "No Finding", "No finding")
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SALT = "pylon_zoo/csv"


class Row(NamedTuple):
    """What the table says of one image."""

    line: int
    labels: dict[str, float]
    patient: str
    split: str


class CsvDataset(RecordDataset):
    """Images of any kind with labels from `ROOT/labels.csv`, and boxes from `ROOT/boxes.csv` if it is there.

    Args:
        root: the folder of the two tables.
        split: `"train"`, `"val"` or `"test"`.
        classes: the labels, in the order wanted, or one text with commas between them; None is every label column in
            the table's order, or, of joined labels, all that occur, sorted. With label columns, columns that are not
            named are not read.
        uncertain: what -1 becomes: `"ones"`, `"zeros"` or `"ignore"` (NaN).
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), an image is not on disk, or two splits share
            a patient.
        UnknownNameError: no such split or policy.
        ConfigError: other channels.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp())
        >>> Image.new("L", (32, 32)).save(root / "1.png")
        >>> _ = (root / "labels.csv").write_text("image,patient,split,Mass,Edema\\n1.png,p1,train,1,-1\\n")
        >>> data = CsvDataset(root, "train")
        >>> data.classes, data.patients, data.targets()
        (('Mass', 'Edema'), ['p1'], tensor([[1., nan]]))
    """

    name = "csv"

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | str | None = None,
        uncertain: str = "ignore",
        channels: int = 3,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        self.channels = check_channels(channels)
        classes = None if classes is None else names_in(classes)
        path = self.root / TABLE
        rows, columns, unread = _read_table(path, classes, uncertain_value(uncertain))
        self.classes = tuple(columns if classes is None else classes)
        index_of = {name: index for index, name in enumerate(self.classes)}
        boxes, box_lines = _read_boxes(self.root / BOX_TABLE, rows, path, index_of, unread)
        splits = _share_out(path, rows)
        images = [image for image in rows if splits[image] == split]
        missing = not_there(self.root, images)
        with row_problems():
            check_listed(f"'{path}' lists them", missing, len(images), split)
        absent = set(missing)
        stacked, none = stack_each(boxes), no_boxes()
        targets: dict[int, torch.Tensor] = {}  # rows share their labels, and records their target
        for image in images:
            labels = rows[image].labels
            if id(labels) not in targets:
                targets[id(labels)] = torch.tensor([labels.get(name, 0.0) for name in self.classes])
        listed = f"'{self.root / BOX_TABLE}' row"
        self.fill(
            Record(
                os.path.join(root, image),  # noqa: PTH118 (see Record)
                rows[image].patient,
                targets[id(rows[image].labels)],
                stacked.get(image, none),
                f"{listed} {', '.join(map(str, box_lines[image]))}" if image in stacked else "",
            )
            for image in images
            if image not in absent
        )


def _read_table(
    path: Path, classes: Sequence[str] | None, uncertain: float
) -> tuple[dict[str, Row], list[str], set[str]]:
    """Image → row; the labels; and the columns that are not read."""
    rows = read_rows(path)
    header = next(rows)[1]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(f"'{path}' row 1 has the column '{repeated[0]}' twice: rename one of them.")
    column = {name: index for index, name in enumerate(header) if name}
    needed = find_columns(path, header, (IMAGE,))
    joined = LABELS in column
    if joined:
        names = [LABELS]
    else:
        names = [name for name in column if name not in (IMAGE, PATIENT, SPLIT)] if classes is None else list(classes)
    needed += find_columns(path, header, names)
    if not names:
        raise DataError(f"'{path}' has no labels: give it a column '{LABELS}', or one for each label.")
    end = len(needed)
    optional = [name for name in (PATIENT, SPLIT) if name in column]
    needed += [column[name] for name in optional]
    patient_at, split_at = (end + optional.index(name) if name in column else None for name in (PATIENT, SPLIT))
    found: dict[str, Row] = {}
    known: dict[tuple[str, ...], dict[str, float]] = {}  # few combinations, many rows
    table = f"'{path}' row"
    for line, cells in rows:
        with row_problems():
            where = f"{table} {line}"
            written = pick(path, line, cells, needed)
            image, texts = written[0], tuple(written[1:end])
            if not image:
                raise DataError(f"{where} has no '{IMAGE}': correct or remove it.")
            if image in found:
                raise DataError(f"{where} repeats image '{image}' of row {found[image].line}: remove one of them.")
            if texts not in known and joined:
                known[texts] = _split_labels(where, texts[0], classes)
            elif texts not in known:
                known[texts] = {
                    name: _value(where, name, text, uncertain) for name, text in zip(names, texts, strict=True)
                }
            patient = image if patient_at is None else written[patient_at]
            if not patient:
                raise DataError(f"{where} has no '{PATIENT}': correct it, or leave the column out of the table.")
            said = None if split_at is None else written[split_at]
            split = "" if said is None else SPLIT_NAMES.get(said.lower())
            if split is None:
                raise DataError(f"{where} has the split '{said}': it must be train, val or test.")
            found[image] = Row(line, known[texts], patient, split)
    if not found:
        raise DataError(f"'{path}' has a header and no rows: fill it in.")
    labels_seen = sorted({name for row in found.values() for name in row.labels}) if joined else names
    if not labels_seen:
        raise DataError(f"'{path}' names no label in its column '{LABELS}': fill it in.")
    return found, labels_seen, set(column) - {IMAGE, PATIENT, SPLIT, *names}


def _split_labels(where: str, text: str, classes: Sequence[str] | None) -> dict[str, float]:
    if text in NOTHING:
        return {}
    names = [name.strip() for name in text.split("|")]
    for name in names:
        if name in NOTHING or names.count(name) > 1:
            what = f"'{name}' beside others" if name in NOTHING else f"'{name}' twice"
            raise DataError(f"{where} has {what} in '{LABELS}': correct it.")
        if classes is not None and name not in classes:
            raise DataError(
                f"{where} has the label '{name}': it must be one of {', '.join(classes)}.{suggest(name, classes)}"
            )
    return dict.fromkeys(names, 1.0)


def _value(where: str, name: str, text: str, uncertain: float) -> float:
    values = {"": math.nan, "1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": uncertain, "-1.0": uncertain}
    if text not in values:
        raise DataError(
            f"{where} has '{text}' in the column '{name}': a label must be 1, 0, -1 (uncertain) or empty (unknown). If "
            "this column is no label, name those that are (classes=…), or leave it out of the table."
        )
    return values[text]


def _read_boxes(
    path: Path, images: dict[str, Row], table: Path, index_of: dict[str, int], unread: set[str]
) -> tuple[dict[str, list[tuple[float, ...]]], dict[str, list[int]]]:
    """Image → its boxes, and → their rows."""
    boxes: dict[str, list[tuple[float, ...]]] = {}
    lines: dict[str, list[int]] = {}
    if not path.is_file():
        return boxes, lines
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], BOX_COLUMNS)
    box_table = f"'{path}' row"
    for line, cells in rows:
        with row_problems():
            image, label, *numbers = pick(path, line, cells, columns)
            where = f"{box_table} {line}"
            if image not in images:
                raise DataError(f"{where} has a box on '{image}', an image that '{table}' does not list.")
            if label in unread:
                continue
            if label not in index_of:
                raise DataError(
                    f"{where} has the label '{label}': it must be one of {', '.join(index_of)}."
                    f"{suggest(label, index_of)}"
                )
            if images[image].labels.get(label, 0.0) == 0:
                raise DataError(
                    f"{where} has a box of '{label}', which '{table}' row {images[image].line} says is absent: correct "
                    "one of them."
                )
            box = (float(index_of[label]), *check_corners(where, numbers))
            others = boxes.setdefault(image, [])
            if box in others:
                raise DataError(f"{where} repeats a box of '{image}': remove one of them.")
            others.append(box)
            lines.setdefault(image, []).append(line)
    return boxes, lines


def _share_out(path: Path, rows: dict[str, Row]) -> dict[str, str]:
    """Image → split; as the table says where it does."""
    if not next(iter(rows.values())).split:
        patients = [row.patient for row in rows.values()]
        return dict(zip(rows, assign_by_hash(patients, SHARES, SALT), strict=True))
    members: dict[str, list[str]] = {}
    for row in rows.values():
        members.setdefault(row.split, []).append(row.patient)
    try:
        check_patient_leak(**members)
    except DataError as error:
        raise DataError(f"The column '{SPLIT}' of '{path}' leaks. {error}") from error
    return {image: row.split for image, row in rows.items()}
