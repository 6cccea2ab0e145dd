"""NIH ChestX-ray14 in the layout it is released in (Wang et al., CVPR 2017).

ROOT/Data_Entry_2017_v2020.csv or Data_Entry_2017.csv    labels and patients
ROOT/BBox_List_2017.csv                                  boxes, in pixels of 1024×1024
ROOT/train_val_list.txt, ROOT/test_list.txt              the official split
ROOT/images/*.png, or ROOT/images_001/images/*.png … ROOT/images_012/images/*.png, of any pixel size
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pylon_zoo.cells import both
from pylon_zoo.data.boxes import scale_boxes
from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import stack_boxes
from pylon_zoo.data.sample import Sample, no_boxes
from pylon_zoo.data.splits import assign_by_hash, check_patient_leak
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, suggest

CLASSES = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
CLASS_INDEX = {name: index for index, name in enumerate(CLASSES)}
SPELLINGS = {"Infiltrate": "Infiltration"}  # the boxes' word for the labels'
NO_FINDING = "No Finding"

ENTRY_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")  # the first that is there
BOX_FILE = "BBox_List_2017.csv"
SPLIT_FILES = {"train_val": "train_val_list.txt", "test": "test_list.txt"}
IMAGE_FOLDERS = ("images", "images_*/images", "images_*")
BOX_SIZE = (1024, 1024)  # of the coordinates, whatever the size on disk
BOX_SLACK = 1.0  # how far, in those pixels, a box may stick out before it is an error and not rounding
RELEASE_NAME = re.compile(r"(\d{8})_\d{3}\.png")  # patient, follow-up
MEAN, STD = 0.4984, 0.2483  # grey in [0, 1], over the release; what the paper normalises with
VAL_SALT = "pylon_zoo/nih_cxr14/val"


class Entry(NamedTuple):
    """What the table says of one image: the row, the patient, the indices of its classes."""

    line: int
    patient: str
    labels: tuple[int, ...]


class NihChestXray14(LabelledDataset):
    """Frontal chest radiographs with 14 image-level labels; some test images have boxes of 8 of them.

    The test split is the official list. Training and validation share out the rest by patient, by hash of the
    patient's ID (`assign_by_hash`): the same on every machine, and no patient on both sides. Construction reads the
    tables and lists the folders; images are decoded when asked for. Samples have one channel, and boxes in pixels of
    the image as it is on disk.

    Args:
        root: the folder that holds the release.
        split: `"train"`, `"val"` or `"test"`.
        val_fraction: the share of the non-test patients that validate, in [0, 1). The default makes 70:10:20.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it, the row and what to do), an image is listed and not on
            disk, or two splits share a patient.
        UnknownNameError: no such split.
        ConfigError: `val_fraction` outside [0, 1).

    Example:
        >>> NihChestXray14.classes[:2]
        ('Atelectasis', 'Cardiomegaly')
    """

    name = "nih_cxr14"
    classes = CLASSES
    channels = 1

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        val_fraction: float = 0.125,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(split, transform)
        self.root = Path(root)
        if split not in self.splits:
            raise UnknownNameError(
                f"Unknown split '{split}': one of {', '.join(self.splits)}.{suggest(split, self.splits)}"
            )
        if not 0 <= val_fraction < 1:
            raise ConfigError(f"val_fraction={val_fraction} must lie in [0, 1).")
        if not self.root.is_dir():
            raise DataError(f"The folder '{root}' does not exist: give the folder of the NIH ChestX-ray14 release.")
        entry_file = next((self.root / name for name in ENTRY_FILES if (self.root / name).is_file()), None)
        if entry_file is None:
            raise DataError(f"'{root}' has neither {' nor '.join(ENTRY_FILES)}: copy it from the release.")

        entries = _read_entries(entry_file)
        boxes = _read_boxes(self.root / BOX_FILE, entries, entry_file)
        listed = {name: _read_list(self.root / file, entries, entry_file) for name, file in SPLIT_FILES.items()}
        members = _share_out(listed, entries, val_fraction)
        with row_problems():
            _check_leak(self.root, members, entries)

        on_disk = _find_on_disk(self.root, members[split], split)
        images, self._paths = list(on_disk), list(on_disk.values())
        self._patients = [entries[image].patient for image in images]
        self._boxes = {row: boxes[image] for row, image in enumerate(images) if image in boxes}
        self._targets = torch.zeros(len(images), len(CLASSES))
        present = [(row, label) for row, image in enumerate(images) for label in entries[image].labels]
        if present:
            self._targets[tuple(torch.tensor(present).T)] = 1

    def __len__(self) -> int:
        return len(self._paths)

    def load(self, index: int) -> Sample:
        """The image as on disk, in grey, with boxes scaled to its pixels."""
        path = self._paths[index]
        image = to_channels(read_image(path), self.channels)
        rows = self._boxes.get(index)
        return Sample(
            image=image,
            target=self._targets[index].clone(),
            boxes=scale_boxes(stack_boxes(rows), BOX_SIZE, both(image.shape[-2:])) if rows else no_boxes(),
            patient=self._patients[index],
            path=path,
        )

    def targets(self) -> Tensor:
        """All labels, (len, 14) float32 of 0 and 1."""
        return self._targets.clone()

    @property
    def patients(self) -> list[str]:
        """The patient's ID of every image, without leading zeros."""
        return list(self._patients)


def _read_entries(path: Path) -> dict[str, Entry]:
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("Image Index", "Finding Labels", "Patient ID"))
    entries: dict[str, Entry] = {}
    known: dict[str, tuple[int, ...]] = {}  # few combinations, many rows
    for line, cells in rows:
        with row_problems():
            image, labels, patient = pick(path, line, cells, columns)
            if image in entries:
                raise DataError(
                    f"'{path}' row {line} repeats image '{image}' of row {entries[image].line}: remove one of them."
                )
            if labels not in known:
                known[labels] = _labels(path, line, labels)
            entries[image] = Entry(line, _patient(path, line, image, patient), known[labels])
    return entries


def _patient(path: Path, line: int, image: str, patient: str) -> str:
    patient = patient.lstrip("0") or patient[:1]
    if patient and image.startswith(f"{patient:0>8}_"):
        return patient  # without the expression below, which takes longer than all else that a row needs
    release = RELEASE_NAME.fullmatch(image)
    if not patient or (release and release[1].lstrip("0") != patient):
        raise DataError(
            f"'{path}' row {line} gives image '{image}' the patient ID '{patient}', which is empty or "
            "contradicts the image's name: correct the row, or copy the file again."
        )
    return patient


def _labels(path: Path, line: int, text: str) -> tuple[int, ...]:
    names = text.split("|")
    if names == [NO_FINDING]:
        return ()
    return tuple(_class_index(path, line, name) for name in names)


def _class_index(path: Path, line: int, name: str) -> int:
    index = CLASS_INDEX.get(SPELLINGS.get(name, name))
    if index is None:
        raise DataError(
            f"'{path}' row {line} has the label '{name}': it must be one of {', '.join(CLASSES)}, or '{NO_FINDING}' "
            f"alone.{suggest(name, CLASSES)}"
        )
    return index


def _read_boxes(path: Path, entries: dict[str, Entry], entry_file: Path) -> dict[str, list[tuple[float, ...]]]:
    """Image → class, x0, y0, x1, y1 of each box in pixels of 1024×1024."""
    rows = read_rows(path)
    header = next(rows)[1]
    columns = find_columns(path, header, ("Image Index", "Finding Label"))
    # The release's header is `Bbox [x,y,w,h],,,`, commas unquoted: one name or four, above the same four fields.
    first = next((index for index, name in enumerate(header) if name.startswith("Bbox")), None)
    if first is None:
        raise DataError(f"'{path}' lacks the column 'Bbox [x,y,w,h]' in its first row: copy the file from the release.")
    columns += range(first, first + 4)
    found: dict[str, dict[tuple[float, ...], int]] = {}
    for line, cells in rows:
        with row_problems():
            image, label, *numbers = pick(path, line, cells, columns)
            if image not in entries:
                raise DataError(
                    f"'{path}' row {line} has a box on '{image}', an image that '{entry_file}' does not list."
                )
            box = (float(_class_index(path, line, label)), *_corners(path, line, numbers))
            boxes = found.setdefault(image, {})
            if box in boxes:
                raise DataError(f"'{path}' row {line} repeats the box of row {boxes[box]}: remove one of them.")
            boxes[box] = line
    return {image: list(boxes) for image, boxes in found.items()}


def _corners(path: Path, line: int, numbers: list[str]) -> list[float]:
    side = BOX_SIZE[0]
    try:
        x, y, width, height = map(float, numbers)
    except ValueError:
        x = y = width = height = math.nan
    right, bottom, limit = x + width, y + height, side + BOX_SLACK
    if not (-BOX_SLACK <= x < right <= limit and -BOX_SLACK <= y < bottom <= limit):  # NaN is nowhere
        raise DataError(
            f"'{path}' row {line} has the box x, y, w, h = {', '.join(numbers)}: it must be four numbers, w and h "
            f"above 0, inside the {side}×{side} pixels that this file's boxes are measured in."
        )
    return [max(x, 0.0), max(y, 0.0), min(right, float(side)), min(bottom, float(side))]


def _read_list(path: Path, entries: dict[str, Entry], entry_file: Path) -> list[str]:
    lines: dict[str, int] = {}
    for line, (image, *_) in read_rows(path):
        with row_problems():
            if image in lines:
                raise DataError(
                    f"'{path}' row {line} repeats image '{image}' of row {lines[image]}: remove one of them."
                )
            if image not in entries:
                raise DataError(f"'{path}' row {line} lists image '{image}', which '{entry_file}' has no row for.")
            lines[image] = line
    return list(lines)


def _share_out(listed: dict[str, list[str]], entries: dict[str, Entry], val_fraction: float) -> dict[str, list[str]]:
    """The official lists → train, val and test."""
    members: dict[str, list[str]] = {"train": [], "val": [], "test": listed["test"]}
    patients = [entries[image].patient for image in listed["train_val"]]
    shares = {"train": 1 - val_fraction, "val": val_fraction}
    for image, split in zip(listed["train_val"], assign_by_hash(patients, shares, VAL_SALT), strict=True):
        members[split].append(image)
    return members


def _check_leak(root: Path, members: dict[str, list[str]], entries: dict[str, Entry]) -> None:
    try:
        check_patient_leak(**{name: [entries[image].patient for image in images] for name, images in members.items()})
    except DataError as error:
        raise DataError(f"The lists {' and '.join(SPLIT_FILES.values())} in '{root}' leak. {error}") from error


def _find_on_disk(root: Path, images: Iterable[str], split: str) -> dict[str, str]:
    """One listing of each folder: asking for 112,120 files one by one takes minutes on a network drive."""
    folders = [folder for pattern in IMAGE_FOLDERS for folder in sorted(root.glob(pattern)) if folder.is_dir()]
    if not folders:
        raise DataError(f"'{root}' has no folder 'images' or 'images_001', …: unpack the release's images there.")
    where: dict[str, str] = {}
    for folder in folders:
        start = str(folder) + os.sep
        for name in os.listdir(folder):  # noqa: PTH208 (names alone, without a Path for each)
            where.setdefault(name, start)
    images = list(images)
    missing = [image for image in images if image not in where]
    if missing:
        shown = ", ".join(f"'{image}'" for image in missing[:3]) + (", …" if len(missing) > 3 else "")
        with row_problems():
            raise DataError(
                f"{len(missing)} of the {len(images)} images of split '{split}' are listed in '{root}' but not in its "
                f"image folders: {shown}. Unpack the missing archives, or take these lines out of the lists."
            )
    return {image: where[image] + image for image in images if image in where}
