"""PadChest: 160,000 chest radiographs with 174 findings of their reports (Bustos et al., Medical Image Analysis 2020).

ROOT/PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv, or .csv.gz, or any PADCHEST_*.csv    among its columns:
                     ImageID,ImageDir,PatientID,Projection,MethodLabel,Labels: ['pleural effusion', 'nodule']
ROOT/IMAGEDIR/IMAGEID, ROOT/images/IMAGEID or ROOT/IMAGEID    PNG of 16 bits, of any pixel size
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.label_names import names_in
from pylon_zoo.data.listing import check_listed, not_there
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_by_hash
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, UnknownNameError, suggest

PATTERNS = ("PADCHEST_*.csv", "PADCHEST_*.csv.gz")
COLUMNS = ("ImageID", "ImageDir", "PatientID", "Projection", "MethodLabel", "Labels")
NO_FINDINGS = ("", "normal", "unchanged", "suboptimal study", "exclude")
BROKEN = ("exclude", "suboptimal study")  # what the release says is not to be used
MANUAL = "Physician"
SALT = "pylon_zoo/padchest"


class _Row(NamedTuple):
    folder: str
    patient: str
    labels: frozenset[str]


class PadChest(RecordDataset):
    """Chest radiographs with labels; the release has no boxes and no splits.

    Shared out 70:10:20 by hash of the patient. Rows without labels, as some are released, and those labelled "exclude"
    or "suboptimal study" are left out.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        classes: the findings, in the order wanted, or one text with commas between them; None is all that `least` of
            the rows have, sorted.
        least: how many rows a finding must be in; ignored with `classes`.
        projections: what to read of the column Projection, or one text with commas between them.
        manual: only rows that physicians labelled, about a quarter; the others are a network's.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: the table is missing or malformed (names it and the row), or an image is not on disk.
        UnknownNameError: no such split or finding.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp())
        >>> lines = [",".join(COLUMNS), *(f"{n}.png,0,p{n},PA,Physician,['nodule']" for n in range(20))]
        >>> _ = (root / "PADCHEST_labels.csv").write_text("\\n".join(lines))
        >>> (root / "images").mkdir()
        >>> for number in range(20):
        ...     Image.new("L", (32, 32)).save(root / "images" / f"{number}.png")
        >>> PadChest(root, "train", least=5).classes
        ('nodule',)
    """

    name = "padchest"
    channels = 1

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | str | None = None,
        least: int = 100,
        projections: Sequence[str] | str = "PA,AP,AP_horizontal",
        manual: bool = False,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        found = [path for pattern in PATTERNS for path in sorted(self.root.glob(pattern))]
        if not found:
            raise DataError(f"'{root}' has no {' or '.join(PATTERNS)}: copy the table there.")
        rows = _read_rows(found[0], names_in(projections), manual)
        self.classes = tuple(_classes(found[0], rows, classes, least))
        splits = assign_by_hash([row.patient for row in rows.values()], SHARES, SALT)
        images = [image for image, of in zip(rows, splits, strict=True) if of == split]
        paths = self._paths({image: rows[image].folder for image in images})
        missing = [image for image in images if image not in paths]
        with row_problems():
            check_listed(f"'{found[0]}' lists them", missing, len(images), split)
        none = no_boxes()
        targets: dict[frozenset[str], torch.Tensor] = {}
        for image in images:
            if (labels := rows[image].labels) not in targets:
                targets[labels] = torch.tensor([float(name in labels) for name in self.classes])
        self.fill(
            Record(self.root / paths[image], rows[image].patient, targets[rows[image].labels], none)
            for image in images
            if image in paths
        )

    def _paths(self, folders: dict[str, str]) -> dict[str, str]:
        """Image → where it is, of those that are there."""
        found: dict[str, str] = {}
        for place in ("{}/", "images/", ""):
            wanted = {
                f"{place.format(folder)}{image}": image for image, folder in folders.items() if image not in found
            }
            absent = set(not_there(self.root, wanted))
            found |= {image: path for path, image in wanted.items() if path not in absent}
        return found


def _read_rows(path: Path, projections: Sequence[str], manual: bool) -> dict[str, _Row]:
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], COLUMNS)
    found: dict[str, _Row] = {}
    known: dict[str, frozenset[str]] = {"": frozenset(), "nan": frozenset()}
    for line, cells in rows:
        with row_problems():
            where = f"'{path}' row {line}"
            image, folder, patient, projection, method, text = pick(path, line, cells, columns)
            if not image or not patient:
                raise DataError(f"{where} has no {'PatientID' if image else 'ImageID'}: correct or remove it.")
            if image in found:
                raise DataError(f"{where} repeats image '{image}': remove one of them.")
            if text not in known:
                known[text] = _labels(where, text)
            labels = known[text]
            if projection in projections and (method == MANUAL or not manual) and labels and not labels & set(BROKEN):
                found[image] = _Row(folder, patient, labels)
    if not found:
        raise DataError(f"'{path}' has no rows of the projections {', '.join(projections)} with labels.")
    return found


def _labels(where: str, text: str) -> frozenset[str]:
    """What a list in Python's notation names, `['nodule', ' chronic changes']`; some names have blanks around them."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where} has {text[:40]!r} as its Labels: it must be a list, such as ['nodule', 'normal'].")
    return frozenset(name.strip().lower() for name in names)


def _classes(path: Path, rows: dict[str, _Row], classes: Sequence[str] | str | None, least: int) -> list[str]:
    counts = Counter(name for row in rows.values() for name in row.labels if name not in NO_FINDINGS)
    if classes is None:
        often = sorted(name for name, count in counts.items() if count >= least)
        if not often:
            raise DataError(f"'{path}' has no finding in {least} rows: give least=… a smaller number.")
        return often
    names = names_in(classes)
    for name in names:
        if name not in counts:
            raise UnknownNameError(f"'{path}' has no finding '{name}'.{suggest(name, counts)}")
    return names
