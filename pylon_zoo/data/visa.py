"""VisA: photographs of 12 kinds of things with masks of their anomalies (Zou et al., ECCV 2022).

ROOT/split_csv/2cls_highshot.csv, 2cls_fewshot.csv, 1cls.csv    object,split,label,image,mask; paths from ROOT
ROOT/candle/Data/Images/Normal/0000.JPG, …                      images
ROOT/candle/Data/Images/Anomaly/000.JPG, …
ROOT/candle/Data/Masks/Anomaly/000.png, …                       masks, every kind of anomaly with a number of its own
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.listing import check_listed, not_there
from pylon_zoo.data.mask_files import stack_masks
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_fraction
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import assign_stratified
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, UnknownNameError, suggest

SETUPS = ("2cls_highshot", "2cls_fewshot", "1cls")
COLUMNS = ("object", "split", "label", "image", "mask")
LABELS = ("normal", "anomaly")
SALT = "pylon_zoo/visa"


class _Row(NamedTuple):
    part: str
    label: str
    mask: str


class Visa(RecordDataset):
    """One kind of things, or all, with one class: anomaly. Boxes are those around the masks' connected regions.

    The test split is the release's; training and validation share out its training images by hash, normal ones and
    anomalies apart.

    Args:
        root: the folder of the release.
        split: `"train"`, `"val"` or `"test"`.
        thing: one of the release's objects, such as candle; "" takes all of them.
        setup: which of the release's splits: `"2cls_highshot"` and `"2cls_fewshot"` train on anomalies too, `"1cls"`
            does not.
        val_fraction: the share of the training images that validate, in [0, 1).
        masks: False leaves them out, and the boxes with them.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a table is missing or malformed (names it and the row), or a file is not on disk.
        UnknownNameError: no such split, setup or object.
        ConfigError: `val_fraction` outside [0, 1).

    Example:
        >>> Visa.classes
        ('anomaly',)
    """

    name = "visa"
    classes = ("anomaly",)
    channels = 3

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        thing: str = "",
        setup: str = "2cls_highshot",
        val_fraction: float = 0.125,
        masks: bool = True,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        check_fraction("val_fraction", val_fraction)
        if setup not in SETUPS:
            raise UnknownNameError(f"Unknown setup '{setup}': one of {', '.join(SETUPS)}.{suggest(setup, SETUPS)}")
        path = self.root / "split_csv" / f"{setup}.csv"
        rows = _read_rows(path, thing)
        part = "test" if split == "test" else "train"
        images = [image for image, row in rows.items() if row.part == part]
        if part == "train":
            shares = {"train": 1 - val_fraction, "val": val_fraction}
            splits = assign_stratified(images, [rows[image].label for image in images], shares, SALT)
            images = [image for image, of in zip(images, splits, strict=True) if of == split]
        files = [*images, *(rows[image].mask for image in images if masks and rows[image].mask)]
        missing = not_there(self.root, files)
        with row_problems():
            check_listed(f"'{path}' lists them", missing, len(files), split)
        absent = set(missing)
        self.fill(self._record(image, rows[image], masks) for image in images if not {image, rows[image].mask} & absent)

    def _record(self, image: str, row: _Row, masks: bool) -> Record:
        path = self.root / image
        files = {0: [self.root / row.mask]} if row.mask else {}
        return Record(
            path,
            image,
            torch.tensor([float(row.label == "anomaly")]),
            None if masks else no_boxes(),
            masks=partial(stack_masks, files, 1, path) if masks else None,
        )


def _read_rows(path: Path, thing: str) -> dict[str, _Row]:
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], COLUMNS)
    found: dict[str, _Row] = {}
    things: dict[str, None] = {}
    for line, cells in rows:
        with row_problems():
            of, part, label, image, mask = pick(path, line, cells, columns)
            where = f"'{path}' row {line}"
            if part not in ("train", "test"):
                raise DataError(f"{where} has the split '{part}': it must be train or test.")
            if label not in LABELS:
                raise DataError(f"{where} has the label '{label}': it must be one of {', '.join(LABELS)}.")
            if (label == "anomaly") != bool(mask):
                raise DataError(f"{where} is {label} and has {'a' if mask else 'no'} mask: correct it.")
            things[of] = None
            if thing in ("", of):
                if image in found:
                    raise DataError(f"{where} repeats image '{image}': remove one of them.")
                found[image] = _Row(part, label, mask)
    if thing and thing not in things:
        raise UnknownNameError(f"'{path}' has no '{thing}': it has {', '.join(things)}.{suggest(thing, things)}")
    if not found:
        raise DataError(f"'{path}' has a header and no rows: copy it again.")
    return found
