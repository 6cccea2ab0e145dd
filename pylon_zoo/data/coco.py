"""Annotations in the format of COCO (Lin et al., ECCV 2014), COCO's own or a user's.

Of these, what is there, SPLIT being train, val (or valid) or test:
ROOT/annotations/instances_SPLIT2017.json or …2014.json     images in SPLIT2017/ or images/SPLIT2017/ (likewise 2014)
ROOT/annotations/instances_SPLIT.json or SPLIT.json          images in SPLIT/, images/SPLIT/ or images/
ROOT/SPLIT.json                                              images in SPLIT/, images/ or ROOT
ROOT/SPLIT/_annotations.coco.json                            images beside it
ROOT/annotations.json                                        images in images/ or ROOT, shared out by hash
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.json_file import read_json, take
from pylon_zoo.data.listing import check_listed
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_channels, check_corners, stack_boxes
from pylon_zoo.data.splits import SHARES, assign_by_hash
from pylon_zoo.errors import DataError, UnknownNameError

YEARS = tuple(
    (f"annotations/instances_{{split}}{year}.json", (f"{{split}}{year}", f"images/{{split}}{year}"))
    for year in (2017, 2014)
)
LAYOUTS = (  # file, folders of its images
    *YEARS,
    ("annotations/instances_{split}.json", ("{split}", "images/{split}", "images")),
    ("annotations/{split}.json", ("{split}", "images/{split}", "images")),
    ("{split}.json", ("{split}", "images", ".")),
    ("{split}/_annotations.coco.json", ("{split}",)),
)
SINGLE = ("annotations.json", ("images", "."))
SPELLINGS = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
SALT = "pylon_zoo/coco"


class _Image(NamedTuple):
    name: str
    size: tuple[int, int]
    labels: set[int]
    boxes: list[tuple[float, ...]]


class CocoDetection(RecordDataset):
    """Images with boxes in a COCO-style JSON file; what has a box is present, everything else is absent.

    Classes are the file's categories in the order of their ids. An annotation with `iscrowd`, or whose box has no width
    or no height, makes its class present and gives no box. Segmentations are not read. Images without annotations are
    kept. Nobody knows the patients, so that each file is its own.

    Args:
        root: the folder that holds the files.
        split: `"train"`, `"val"` or `"test"`.
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the entry), or an image is not on disk.
        UnknownNameError: no such split, or none with annotations.
        ConfigError: other channels.

    Example:
        >>> import json; from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp())
        >>> (root / "train").mkdir()
        >>> Image.new("RGB", (32, 32)).save(root / "train" / "1.png")
        >>> table = {
        ...     "images": [{"id": 1, "file_name": "1.png", "width": 32, "height": 32}],
        ...     "categories": [{"id": 1, "name": "crack"}],
        ...     "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 8, 6]}],
        ... }
        >>> _ = (root / "train.json").write_text(json.dumps(table))
        >>> CocoDetection(root, "train")[0].boxes
        tensor([[ 0.,  4.,  4., 12., 10.]])
    """

    name = "coco"

    def __init__(
        self, root: str | Path, split: str, *, channels: int = 3, transform: SampleTransform | None = None
    ) -> None:
        super().__init__(root, split, transform)
        self.channels = check_channels(channels)
        path, folders, shared = _find(self.root, split)
        table = read_json(path, dict)
        self.classes, index_of = _read_categories(path, table)
        images = _read_images(path, table)
        _read_annotations(path, table, images, index_of)
        if shared:
            names = [image.name for image in images.values()]
            splits = assign_by_hash(names, SHARES, SALT)
            images = {key: image for (key, image), of in zip(images.items(), splits, strict=True) if of == split}
        on_disk = {image.name: _on_disk(folders, image.name) for image in images.values()}
        missing = [name for name, where in on_disk.items() if where is None]
        with row_problems():
            shown = ", ".join(f"'{folder}'" for folder in folders)
            check_listed(f"'{path}' lists them; looked in {shown}", missing, len(images), split)
        self.fill(
            Record(
                where,
                _relative(where, self.root),
                self._target(image),
                stack_boxes(image.boxes),
                f"'{path}'",
                image.size,
            )
            for image in images.values()
            for where in [on_disk[image.name]]
            if where is not None
        )

    def _target(self, image: _Image) -> torch.Tensor:
        target = torch.zeros(len(self.classes))
        target[list(image.labels)] = 1
        return target


def _find(root: Path, split: str) -> tuple[Path, list[Path], bool]:
    """The file of a split, the folders of its images, and whether all splits share the file."""
    there = []
    for file, folders in LAYOUTS:
        for name in (one for names in SPELLINGS.values() for one in names):
            path = root / file.format(split=name)
            if path.is_file():
                if name in SPELLINGS[split]:
                    return path, [root / folder.format(split=name) for folder in folders], False
                there.append(path)
    if (root / SINGLE[0]).is_file() and not there:
        return root / SINGLE[0], [root / folder for folder in SINGLE[1]], True
    if there:
        names = ", ".join(f"'{path}'" for path in there)
        raise UnknownNameError(f"'{root}' has no annotations of the split '{split}': it has {names}.")
    files = [file.replace("{split}", "SPLIT") for file, _ in LAYOUTS]
    raise DataError(f"'{root}' has none of {', '.join([*files, SINGLE[0]])}: copy the annotations there.")


def _on_disk(folders: list[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _relative(path: Path, root: Path) -> str:
    """What stands for the patient: files of one name in two folders are two."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _read_categories(path: Path, table: dict[str, Any]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names in the order of their ids, and id → position."""
    names: dict[int, str] = {}
    for number, entry in enumerate(take(f"'{path}'", table, "categories", list)):
        where = f"'{path}' categories[{number}]"
        key, name = take(where, entry, "id", int), take(where, entry, "name", str)
        if key in names or name in names.values():
            raise DataError(f"{where} repeats the id {key} or the name '{name}': remove or rename one.")
        names[key] = name
    if not names:
        raise DataError(f"'{path}' has no categories: there is nothing to tell apart.")
    keys = sorted(names)
    return tuple(names[key] for key in keys), {key: index for index, key in enumerate(keys)}


def _read_images(path: Path, table: dict[str, Any]) -> dict[int | str, _Image]:
    images: dict[int | str, _Image] = {}
    names: dict[str, int] = {}
    for number, entry in enumerate(take(f"'{path}'", table, "images", list)):
        with row_problems():
            where = f"'{path}' images[{number}]"
            key, name = take(where, entry, "id", (int, str)), take(where, entry, "file_name", str)
            size = (take(where, entry, "height", int), take(where, entry, "width", int))
            if min(size) < 1:
                raise DataError(f"{where} is {size[1]} wide and {size[0]} high: correct it.")
            if key in images or name in names:
                raise DataError(f"{where} repeats the id {key} or the file '{name}': remove one of them.")
            names[name] = number
            images[key] = _Image(name, size, set(), [])
    if not images:
        raise DataError(f"'{path}' has no images: fill it in.")
    return images


def _read_annotations(
    path: Path, table: dict[str, Any], images: dict[int | str, _Image], index_of: dict[int, int]
) -> None:
    """Put labels and boxes into the images."""
    ids: dict[int | str, int] = {}
    for number, entry in enumerate(take(f"'{path}'", table, "annotations", list)):
        with row_problems():
            where = f"'{path}' annotations[{number}]"
            key, of = take(where, entry, "image_id", (int, str)), take(where, entry, "category_id", int)
            if key not in images:
                raise DataError(f"{where} is of the image {key!r}, which is not among the images: correct it.")
            if of not in index_of:
                raise DataError(f"{where} has the category {of}, which is not among the categories: correct it.")
            identity = entry.get("id")
            if isinstance(identity, (int, str)):
                if identity in ids:
                    raise DataError(f"{where} repeats the id {identity!r} of annotations[{ids[identity]}]: remove one.")
                ids[identity] = number
            image = images[key]
            if not entry.get("iscrowd") and (corners := _corners(where, entry, image.size)):
                image.boxes.append((float(index_of[of]), *corners))
            image.labels.add(index_of[of])


def _corners(where: str, entry: dict[str, Any], size: tuple[int, int]) -> list[float]:
    """x0, y0, x1, y1, or nothing for a line or a point."""
    box = take(where, entry, "bbox", list)
    if len(box) != 4 or not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in box):
        raise DataError(f"{where} has the bbox {box}: it must be four numbers, x, y, width, height. Correct it.")
    try:
        x, y, width, height = map(float, box)
    except OverflowError:
        return check_corners(where, box)  # which says that it is none
    if 0 in (width, height) and min(x, y, width, height) >= 0:
        return []
    return check_corners(where, [x, y, x + width, y + height], size)
