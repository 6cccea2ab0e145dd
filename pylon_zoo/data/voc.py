"""Pascal VOC in the layout of its VOCdevkit (Everingham et al., IJCV 2010).

ROOT/VOCdevkit/VOC2012, ROOT/VOC2012 or ROOT itself (likewise VOC2007), and in it
ImageSets/Main/train.txt, val.txt, and test.txt in VOC2007     names of images, without suffix
Annotations/NAME.xml                                           objects and their boxes
JPEGImages/NAME.jpg                                            colour images
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, list_images
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, stack_boxes
from pylon_zoo.data.voc_annotation import annotation_size, is_difficult, object_corners, read_annotation
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, suggest

OBJECTS = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
BACKGROUND = "background"
YEARS = ("2012", "2007")
LIST_FOLDER, XML_FOLDER, IMAGE_FOLDER = "ImageSets/Main", "Annotations", "JPEGImages"


class PascalVoc(RecordDataset):
    """Photographs with objects of 20 classes and a box for each.

    The XML files count pixels from 1 and include the last one; here a box spans from its first pixel's left edge to its
    last one's right edge (x0 = xmin - 1, x1 = xmax), so that a box over the whole image is 0, 0, width, height.

    Args:
        root: the folder that holds VOCdevkit, VOC2012 or VOC2007, or one of these.
        split: `"train"`, `"val"`, or `"test"` in VOC2007. VOC2012's test annotations were never released; the paper
            selects and tests on `"val"`.
        year: `"2012"` or `"2007"`; None takes the only one there.
        difficult: count objects marked as difficult, as the paper does. Without them, a class that an image has only
            difficult objects of is unknown (NaN), which is what the devkit's own 0 means.
        background: 21 outputs as in the paper's code, class 0 the background, which is never positive; else 20.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the row or object), or an image is not on disk.
        UnknownNameError: no such split, or not in this year.
        ConfigError: another year.

    Example:
        >>> OBJECTS[:3]
        ('aeroplane', 'bicycle', 'bird')
    """

    name = "pascal_voc"
    channels = 3

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        year: str | None = None,
        difficult: bool = True,
        background: bool = False,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        self.classes = (BACKGROUND, *OBJECTS) if background else OBJECTS
        self._difficult = difficult
        base = _find_base(self.root, year)
        names = read_list(base, split)
        on_disk = list_images([base / IMAGE_FOLDER])
        missing = [name for name in names if f"{name}.jpg" not in on_disk]
        with row_problems():
            check_listed(f"'{base / IMAGE_FOLDER}'", missing, len(names), split)
        records = []
        for name, line in names.items():
            if f"{name}.jpg" in on_disk:
                with row_problems():
                    records.append(self._read(base, name, line, split, on_disk[f"{name}.jpg"]))
        self.fill(records)

    def _read(self, base: Path, name: str, line: int, split: str, image: Path) -> Record:
        path = base / XML_FOLDER / f"{name}.xml"
        if not path.is_file():
            raise DataError(
                f"'{path}' does not exist, but '{base / LIST_FOLDER / split}.txt' row {line} lists '{name}': unpack "
                "the annotations, or remove the row."
            )
        annotation = read_annotation(path)
        size = annotation_size(path, annotation)
        target = torch.zeros(len(self.classes))
        boxes = []
        for number, one in enumerate(annotation["object"], start=1):
            where = f"'{path}' object {number}"
            index = _class_index(where, one, self.classes)
            box = (float(index), *object_corners(where, one, size))
            if self._difficult or not is_difficult(where, one):
                boxes.append(box)
                target[index] = 1
            elif target[index] == 0:
                target[index] = torch.nan
        return Record(image, name, target, stack_boxes(boxes), f"'{path}'", size)

    def targets(self) -> Tensor:
        """All labels, (len, 20 or 21) float32; NaN only without difficult objects."""
        return super().targets()


def _find_base(root: Path, year: str | None) -> Path:
    year = None if year is None else str(year)  # a number, where it was written without quotes
    if year is not None and year not in YEARS:
        raise ConfigError(f"year={year!r} is not read here: give one of {', '.join(YEARS)}.")
    if (root / IMAGE_FOLDER).is_dir() and year in (None, root.name.removeprefix("VOC")):
        return root
    folders = [parent / f"VOC{one}" for parent in (root, root / "VOCdevkit") for one in YEARS if year in (None, one)]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        shown = " nor ".join(f"'{folder.relative_to(root)}'" for folder in folders)
        raise DataError(f"'{root}' has neither {shown}: unpack the release there, or give the folder that holds it.")
    if len(found) > 1:
        raise DataError(f"'{root}' holds {' and '.join(f.name for f in found)}: give one of these folders, or a year.")
    return found[0]


def read_list(base: Path, split: str) -> dict[str, int]:
    """Name → line of a list; some lists of the devkit have more columns, of which the first counts.

    Raises:
        UnknownNameError: no list of this split.
        DataError: no lists at all, or one that is empty, no text, or names an image twice.
    """
    folder = base / LIST_FOLDER
    path = folder / f"{split}.txt"
    if not folder.is_dir():
        raise DataError(f"'{folder}' does not exist: unpack the whole release, the lists of images too.")
    if not path.is_file():
        there = sorted(one.stem for one in folder.glob("*.txt") if one.stem in PascalVoc.splits)
        raise UnknownNameError(f"'{base}' has no split '{split}' (no '{path}'): it has {', '.join(there) or 'none'}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not UTF-8 text ({error.reason}): copy it again.") from error
    names: dict[str, int] = {}
    for line, text in enumerate(lines, start=1):
        if text.strip():
            name = text.split()[0]
            with row_problems():
                if name in names:
                    raise DataError(
                        f"'{path}' row {line} repeats image '{name}' of row {names[name]}: remove one of them."
                    )
                names[name] = line
    if not names:
        raise DataError(f"'{path}' is empty: copy it again.")
    return names


def _class_index(where: str, one: Any, classes: tuple[str, ...]) -> int:
    name = one.get("name") if isinstance(one, dict) else None
    if name not in OBJECTS:
        raise DataError(
            f"{where} has the name '{name}': it must be one of {', '.join(OBJECTS)}.{suggest(str(name), OBJECTS)}"
        )
    return classes.index(name)
