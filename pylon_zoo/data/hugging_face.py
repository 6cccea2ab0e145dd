"""Datasets in the format of Hugging Face's `datasets`: from the Hub, a local folder, or Parquet files.

hf:ORG/NAME        a name on the Hub
hf:DIR             what `save_to_disk` wrote, Parquet files, or anything else `load_dataset` takes a folder for
hf:FILE.parquet    one file
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.images import read_image_bytes, to_channels
from pylon_zoo.data.label_names import names_in, normal_names
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import check_channels
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.splits import SHARES, assign_by_hash, check_patient_leak
from pylon_zoo.errors import DataError, ImageError, UnknownNameError, first_line, suggest
from pylon_zoo.optional import require

SPELLINGS = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}
VAL_SHARES = {"train": 7 / 8, "val": 1 / 8}
IMAGE_NAMES = ("image", "img", "picture", "photo", "scan", "png", "jpg")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "finding", "findings", "fine_label")
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")
SALT = "pylon_zoo/hf"


class _Part(NamedTuple):
    """A split: its table, the name of the table, and which of its rows."""

    table: Any
    written: str
    rows: list[int]


class HuggingFace(LabelledDataset):
    """Images and labels from two kinds of columns, named or guessed; boxes and masks are not read.

    The image column is the one of the type Image, or one of bytes that is called image, img and the like. The labels
    are a column of classes (ClassLabel, whole numbers or texts, or lists of them), or one column for each label, with
    nothing but 1 or true (present), 0 or false (absent) and empty (unknown). Splits are called as there; without one
    for validation an eighth of the training rows validates, and a single one is shared out 70:10:20, by hash of the
    row's number or patient.

    Args:
        root: the name on the Hub, a folder, or a Parquet file.
        split: `"train"`, `"val"` or `"test"`.
        image: the image column; "" guesses.
        labels: the label column or columns, or one text with commas between them; None guesses.
        normal: classes of images that show nothing, as for `ClassFolders`.
        patient: a column that says whose image it is; "" takes each row as its own.
        config: the configuration, where the dataset has several.
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        MissingDependencyError: `datasets` is not installed (`pylon-zoo[hf]`).
        DataError: it cannot be loaded, has no such columns, or a row is malformed (names it).
        UnknownNameError: no such split or column.
        ConfigError: other channels.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image; from datasets import ClassLabel, Dataset, Features
        >>> from datasets import Image as Pictures
        >>> rows = {"image": [Image.new("RGB", (32, 32))] * 20, "label": [0, 1] * 10}
        >>> kinds = Features({"image": Pictures(), "label": ClassLabel(names=["good", "crack"])})
        >>> folder = mkdtemp()
        >>> Dataset.from_dict(rows, features=kinds).save_to_disk(folder)
        >>> HuggingFace(folder, "train").classes
        ('crack',)
    """

    name = "hf"

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        image: str = "",
        labels: Sequence[str] | str | None = None,
        normal: Sequence[str] | str | None = None,
        patient: str = "",
        config: str = "",
        channels: int = 3,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(split, transform)
        self.channels = check_channels(channels)
        self._source = str(root)
        hub = require("datasets", "hf")
        tables = _load(hub, Path(root), config)
        any_table = next(iter(tables.values()))
        self._image = _image_column(hub, self._source, any_table, image)
        columns = _label_columns(hub, self._source, any_table, labels, {self._image, patient})
        if patient and patient not in any_table.column_names:
            raise _no_column(self._source, patient, any_table.column_names)
        owners = {name: _owners(table, name, patient) for name, table in tables.items()}
        parts = _share_out(tables, owners)
        if split not in parts:
            raise UnknownNameError(f"'{root}' has no split '{split}': it has {', '.join(parts)}.")
        if patient:
            check_patient_leak(**{one: [owners[of.written][row] for row in of.rows] for one, of in parts.items()})
        names, values = _read_labels(hub, self._source, tables, columns)
        apart = normal_names(names, normal) if len(columns) == 1 else set()
        keep = [index for index, name in enumerate(names) if name not in apart]
        self.classes = tuple(names[index] for index in keep)
        if not keep:
            raise DataError(f"'{root}' has no class but {', '.join(names)}: there is nothing to tell apart.")
        part = parts[split]
        good = [row for row in part.rows if row in values[part.written]]
        self._table = part.table.cast_column(self._image, hub.Image(decode=False)).select_columns([self._image])
        self._rows, self._written = good, part.written
        self._patients = [owners[part.written][row] for row in good]
        wanted = [values[part.written][row] for row in good]
        self._targets = torch.tensor(wanted).reshape(len(good), len(names))[:, keep]

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, index: int) -> Sample:
        """The image as stored with the dataset's channels.

        Raises:
            ImageError: the row has no image, or a broken one.
        """
        row = self._rows[index]
        where = f"{self._source} split {self._written} row {row}"
        value = self._table[row][self._image] or {}
        content = value.get("bytes")
        if content is None and value.get("path"):
            path = Path(value["path"])
            content = path.read_bytes() if path.is_file() else None
        if content is None:
            raise ImageError(f"'{where}' has no image in the column '{self._image}': fill it in, or remove the row.")
        image = to_channels(read_image_bytes(content, where), self.channels)
        return Sample(image, self._targets[index].clone(), patient=self._patients[index], path=where)

    def targets(self) -> Tensor:
        """All labels, (len, K) float32 of 0, 1 and NaN."""
        return self._targets.clone()

    @property
    def patients(self) -> list[str]:
        """The patient of every image."""
        return list(self._patients)


def _load(hub: ModuleType, root: Path, config: str) -> dict[str, Any]:
    """Name of the split, as there → table."""
    try:
        if any((root / name).is_file() for name in SAVED):
            loaded = hub.load_from_disk(str(root))
        elif root.suffix == ".parquet":
            loaded = hub.load_dataset("parquet", data_files=str(root))
        else:
            loaded = hub.load_dataset(str(root), config or None)
    except Exception as error:  # of every library that `datasets` reads with
        what = first_line(error)
        raise DataError(
            f"'{root}' cannot be loaded ({what}): give a folder, a Parquet file or a name on the Hub, and with "
            "config=… which of its configurations."
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _share_out(tables: dict[str, Any], owners: dict[str, list[str]]) -> dict[str, _Part]:
    parts = {
        split: _Part(tables[name], name, list(range(len(tables[name]))))
        for split, names in SPELLINGS.items()
        for name in reversed(names)
        if name in tables
    }
    shares = SHARES if len(tables) == 1 else VAL_SHARES if "train" in parts and "val" not in parts else {}
    if shares:
        name = next(iter(tables)) if len(tables) == 1 else "train"
        splits = assign_by_hash(owners[name], shares, SALT)
        for split in shares:
            parts[split] = _Part(tables[name], name, [row for row, of in enumerate(splits) if of == split])
    return parts


def _owners(table: Any, name: str, patient: str) -> list[str]:
    if patient:
        return [str(one) for one in table.select_columns([patient])[:][patient]]
    return [f"{name}/{row}" for row in range(len(table))]


def _image_column(hub: ModuleType, source: str, table: Any, image: str) -> str:
    if image:
        if image not in table.column_names:
            raise _no_column(source, image, table.column_names)
        return image
    typed = [name for name, kind in table.features.items() if isinstance(kind, hub.Image)]
    named: list[str] = [name for name in table.column_names if name.lower() in IMAGE_NAMES]
    for found in ([name for name in typed if name in named] or typed, named):
        if found:
            return found[0]
    raise DataError(
        f"'{source}' has no column of images: name it with image=…, one of {', '.join(table.column_names)}."
    )


def _label_columns(
    hub: ModuleType, source: str, table: Any, labels: Sequence[str] | str | None, taken: set[str]
) -> list[str]:
    if labels:
        names = names_in(labels)
        for name in names:
            if name not in table.column_names:
                raise _no_column(source, name, table.column_names)
        return names
    free = [name for name in table.column_names if name not in taken]
    typed = [name for name in free if isinstance(_inner(table.features[name]), hub.ClassLabel)]
    named = [name for name in LABEL_NAMES if name in free]
    flags = [name for name in free if getattr(table.features[name], "dtype", "") == "bool"]
    found = ([name for name in named if name in typed] or typed or named)[:1] or flags
    if not found:
        raise DataError(f"'{source}' has no column of labels: name them with labels=…, of {', '.join(free)}.")
    return found


def _inner(kind: Any) -> Any:
    """What a list is of."""
    return getattr(kind, "feature", kind)


def _read_labels(
    hub: ModuleType, source: str, tables: dict[str, Any], columns: list[str]
) -> tuple[list[str], dict[str, dict[int, list[float]]]]:
    """The classes, and of every split, row → value of each; without the malformed rows while problems are collected."""
    read = {name: table.select_columns(columns)[:] for name, table in tables.items()}
    kind = _inner(next(iter(tables.values())).features[columns[0]])
    flags = (value in (0, 1, None) for of in read.values() for value in of[columns[0]])
    if len(columns) > 1 or (not isinstance(kind, hub.ClassLabel) and all(flags)):
        names = columns
    elif isinstance(kind, hub.ClassLabel):
        names = list(kind.names)
    else:
        seen = {one for of in read.values() for value in of[columns[0]] for one in _listed(value)}
        names = [str(one) for one in sorted(seen, key=lambda one: (str(type(one)), one))]
    found: dict[str, dict[int, list[float]]] = {}
    for name, table in read.items():
        found[name] = {}
        for row in range(len(table[columns[0]])):
            with row_problems():
                where = f"'{source}' split '{name}' row {row}"
                if names is columns:
                    found[name][row] = [_flag(where, column, table[column][row]) for column in columns]
                else:
                    words = isinstance(kind, hub.ClassLabel)
                    found[name][row] = _one_hot(where, table[columns[0]][row], names, words)
    return names, found


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _one_hot(where: str, value: Any, names: list[str], numbered: bool) -> list[float]:
    if value is None or value == -1:  # -1 is what the Hub's own test splits have for a label that is kept back
        return [math.nan] * len(names)
    present = [0.0] * len(names)
    for one in _listed(value):
        index = one if numbered else names.index(str(one))
        if not isinstance(index, int) or not 0 <= index < len(names):
            raise DataError(f"{where} has the label {one!r}: it must be a number from 0 to {len(names) - 1}.")
        present[index] = 1.0
    return present


def _flag(where: str, column: str, value: Any) -> float:
    if value is None or value != value:
        return math.nan
    if value not in (0, 1):
        raise DataError(f"{where} has {value!r} in the column '{column}': a label must be 1, 0 or empty (unknown).")
    return float(value)


def _no_column(source: str, name: str, there: Sequence[str]) -> UnknownNameError:
    return UnknownNameError(f"'{source}' has no column '{name}': it has {', '.join(there)}.{suggest(name, there)}")
