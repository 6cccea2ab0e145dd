"""CheXlocalize: CheXpert's validation and test images with radiologists' masks (Saporta et al., 2022).

Beside each other, or in the folders CheXlocalize/ and CheXpert/ (or CheXpert-v1.0/) of ROOT:
gt_segmentations_val.json, gt_segmentations_test.json    image → finding → mask as run lengths; all-zero where absent
valid.csv or val_labels.csv, test.csv or test_labels.csv    Path and a column of 0 and 1 for each finding
valid/ or val/, test/                                       patient64541/study1/view1_frontal.jpg, …
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.image_files import IMAGE_SUFFIXES
from pylon_zoo.data.json_file import read_json
from pylon_zoo.data.listing import check_listed
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset
from pylon_zoo.data.rle import decode_rle, mask_size
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, UnknownNameError, suggest

CLASSES = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Lung Opacity",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)
CLASS_INDEX = {name: index for index, name in enumerate(CLASSES)}
SPELLINGS = {"Airspace Opacity": "Lung Opacity"}  # the masks' word for the labels'
FOLDERS = (".", "CheXlocalize", "CheXpert", "CheXpert-v1.0", "CheXpert-v1.0-small")
MASKS = "gt_segmentations_{split}.json"
LABELS = {"val": ("val_labels.csv", "valid.csv"), "test": ("test_labels.csv", "test.csv")}
IMAGES = {"val": (".", "val", "valid"), "test": (".", "test")}


class CheXlocalize(RecordDataset):
    """Chest radiographs with 10 labels, and a mask of each that is present.

    An image without an entry in the file of masks has masks without a pixel, as have findings that are absent. Masks
    are resized to the image as it is on disk.

    Args:
        root: the folder that holds the release.
        split: `"val"` or `"test"`; nobody drew masks for CheXpert's training images.
        masks: False leaves them out: they are 10 times as large as the image.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the row or entry), or an image is not on disk.
        UnknownNameError: no such split, or only the other one is there.

    Example:
        >>> CheXlocalize.classes[:2]
        ('Enlarged Cardiomediastinum', 'Cardiomegaly')
    """

    name = "chexlocalize"
    classes = CLASSES
    channels = 1
    splits = ("val", "test")

    def __init__(
        self, root: str | Path, split: str, *, masks: bool = True, transform: SampleTransform | None = None
    ) -> None:
        super().__init__(root, split, transform)
        drawn_splits = [one for one in self.splits if _paths(self.root, (MASKS.format(split=one),))]
        if drawn_splits and split not in drawn_splits:
            raise UnknownNameError(f"'{root}' has no masks of the split '{split}': it has {', '.join(drawn_splits)}.")
        path = _find(self.root, (MASKS.format(split=split),))
        table = _find(self.root, LABELS[split])
        rows = _read_labels(table)
        drawn = _read_masks(path, rows, table)
        on_disk = {image: _on_disk(table.parent, row[0], split) for image, row in rows.items()}
        with row_problems():
            missing = [image for image, where in on_disk.items() if where is None]
            check_listed(f"'{table}' lists them", missing, len(rows), split)
        self.fill(
            Record(
                where,
                image.partition("_")[0],
                rows[image][1],
                no_boxes(),
                f"'{path}' image '{image}'",
                masks=partial(_decode, f"'{path}' image '{image}'", drawn.get(image, {})) if masks else None,
            )
            for image, where in on_disk.items()
            if where is not None
        )


def _paths(root: Path, names: tuple[str, ...]) -> list[Path]:
    paths = [root / folder / name for folder in FOLDERS for name in names]
    return [path for path in paths if path.is_file()]


def _find(root: Path, names: tuple[str, ...]) -> Path:
    found = _paths(root, names)
    if not found:
        raise DataError(
            f"'{root}' has no {' or '.join(names)}, nor has a folder {', '.join(FOLDERS[1:])} in it: copy it there."
        )
    return found[0]


def _read_labels(path: Path) -> dict[str, tuple[str, Tensor]]:
    """Image, as the masks name it → its path in the table, and its target."""
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("Path", *CLASSES))
    found: dict[str, tuple[str, Tensor]] = {}
    for line, cells in rows:
        with row_problems():
            written, *values = pick(path, line, cells, columns)
            *folders, name = written.split("/")[-3:]
            if len(folders) < 2 or not name.lower().endswith(IMAGE_SUFFIXES):
                raise DataError(
                    f"'{path}' row {line} has the Path '{written}', which does not end in patient/study/view.jpg: "
                    "correct it."
                )
            image = "_".join([*folders, Path(name).stem])
            if image in found:
                raise DataError(f"'{path}' row {line} repeats image '{image}': remove one of them.")
            wrong = [name for name, value in zip(CLASSES, values, strict=True) if value not in ("0", "1", "0.0", "1.0")]
            if wrong:
                value = values[CLASS_INDEX[wrong[0]]]
                raise DataError(f"'{path}' row {line} has '{value}' in the column '{wrong[0]}': it must be 0 or 1.")
            found[image] = (written, torch.tensor([float(value) for value in values]))
    return found


def _read_masks(path: Path, rows: dict[str, tuple[str, Tensor]], table: Path) -> dict[str, dict[int, Any]]:
    """Image → class → run lengths, whose sizes agree."""
    found: dict[str, dict[int, Any]] = {}
    for image, entry in read_json(path, dict).items():
        with row_problems():
            where = f"'{path}' image '{image}'"
            if image not in rows:
                raise DataError(f"{where} is an image that '{table}' does not list.")
            if not isinstance(entry, dict) or not entry:
                raise DataError(f"{where} is no table of masks: copy the file again.")
            masks: dict[int, Any] = {}
            written: str
            for written, rle in entry.items():
                name = SPELLINGS.get(written, written)
                if name not in CLASS_INDEX:
                    raise DataError(
                        f"{where} has a mask of '{written}': it must be one of {', '.join(CLASSES)}."
                        f"{suggest(name, CLASSES)}"
                    )
                if CLASS_INDEX[name] in masks:
                    raise DataError(f"{where} has two masks of '{name}': remove one of them.")
                masks[CLASS_INDEX[name]] = rle
            sizes = {mask_size(f"{where} mask of '{CLASSES[index]}'", rle) for index, rle in masks.items()}
            if len(sizes) > 1:
                raise DataError(f"{where} has masks of the sizes {sorted(sizes)}: they must be the image's.")
            found[image] = masks
    return found


def _on_disk(folder: Path, written: str, split: str) -> Path | None:
    """Where an image is: the table's paths begin with folders that the release no longer has."""
    parts = Path(written).parts
    paths = (folder / base / Path(*parts[skip:]) for skip in range(len(parts) - 2) for base in IMAGES[split])
    return next((path for path in paths if path.is_file()), None)


def _decode(where: str, drawn: dict[int, Any], size: tuple[int, int]) -> Tensor:
    """(10, height, width) bool; of the image's own size where nothing is drawn."""
    decoded = {index: decode_rle(f"{where} mask of '{CLASSES[index]}'", rle) for index, rle in drawn.items()}
    masks = torch.zeros(len(CLASSES), *(next(iter(decoded.values())).shape if decoded else size), dtype=torch.bool)
    for index, mask in decoded.items():
        masks[index] = mask
    return masks
