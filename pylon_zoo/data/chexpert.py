"""CheXpert: 224,316 chest radiographs with labels read off their reports (Irvin et al., AAAI 2019).

ROOT, or CheXpert-v1.0 or CheXpert-v1.0-small in it, holds
train.csv, valid.csv, test.csv     Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding, … 13 findings: 1.0, 0.0, -1.0 or empty
train/patient00001/study1/view1_frontal.jpg, …; the tables' paths begin with the release's own folder, or with train/
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pylon_zoo.data.chexpert_labels import CLASSES, Values, check_views
from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, UnknownNameError

FOLDERS = (".", "CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert")
TABLES = {"train": ("train.csv",), "val": ("valid.csv", "val.csv"), "test": ("test.csv", "test_labels.csv")}
VIEW = "Frontal/Lateral"
END = re.compile(r"(?:^|/)((?:train|valid|val|test)/(patient\d+)/study\d+/view\d+_(frontal|lateral)\.\w+)$")


class _Row(NamedTuple):
    patient: str
    target: Tensor


class CheXpert(RecordDataset):
    """Chest radiographs with 13 labels; "No Finding" follows from them and is not read. CheXpert has no boxes.

    Splits are the release's: 223,414 images train, 234 read by radiologists validate, and 668 test where the test set,
    which is released apart, is there.

    Args:
        root: the folder of the release, or the one that holds it.
        split: `"train"`, `"val"` or `"test"`.
        uncertain: what -1 becomes: `"ones"`, `"zeros"` or `"ignore"` (NaN).
        blank: what a finding becomes that the report does not mention: `"zeros"`, as in the paper, or `"ignore"`.
        views: `"frontal"`, `"lateral"` or `"all"`.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split or policy, or no table of the split.

    Example:
        >>> CheXpert.classes[:2]
        ('Enlarged Cardiomediastinum', 'Cardiomegaly')
    """

    name = "chexpert"
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
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        values, views = Values(uncertain, blank), check_views(views)
        found = {
            one: path
            for one, names in TABLES.items()
            for folder in reversed(FOLDERS)
            for name in names
            for path in [self.root / folder / name]
            if path.is_file()
        }
        if not found:
            shown = ", ".join(names[0] for names in TABLES.values())
            raise DataError(f"'{root}' has none of {shown}, nor has {', '.join(FOLDERS[1:])} in it: copy them there.")
        if split not in found:
            raise UnknownNameError(f"'{root}' has no table of the split '{split}': it has {', '.join(found)}.")
        path = found[split]
        rows = _read_rows(path, values, views)
        missing = [image for image in rows if not (path.parent / image).is_file()]
        with row_problems():
            check_listed(f"'{path}' lists them", missing, len(rows), split)
        absent, none = set(missing), no_boxes()
        self.fill(
            Record(path.parent / image, row.patient, row.target, none)
            for image, row in rows.items()
            if image not in absent
        )


def _read_rows(path: Path, values: Values, views: str) -> dict[str, _Row]:
    """Image, from the split's folder on → its row."""
    rows = read_rows(path)
    header = next(rows)[1]
    columns = find_columns(path, header, ("Path", *CLASSES))
    found: dict[str, _Row] = {}
    known: dict[tuple[str, ...], Tensor] = {}  # few combinations, many rows
    for line, cells in rows:
        with row_problems():
            where = f"'{path}' row {line}"
            written, *texts = pick(path, line, cells, columns)
            end = END.search(written)
            if end is None:
                raise DataError(
                    f"{where} has the Path '{written}', which does not end in train/patient…/study…/view…_frontal.jpg "
                    "or the like: correct it."
                )
            image, patient, view = end.groups()
            if image in found:
                raise DataError(f"{where} repeats image '{image}': remove one of them.")
            if views in ("all", view):
                key = tuple(texts)
                if key not in known:
                    known[key] = torch.tensor(values.read(where, CLASSES, texts))
                found[image] = _Row(patient, known[key])
    if not found:
        raise DataError(f"'{path}' has no rows of the views '{views}': copy it again.")
    return found
