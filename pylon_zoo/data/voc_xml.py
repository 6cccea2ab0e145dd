"""A user's own images with boxes in XML files, as Pascal VOC and most drawing tools write them, under any names.

Of these, the first that is there:
ROOT/ImageSets/Main/train.txt, val.txt, test.txt    names of images; XML and images in folders of ROOT (below)
ROOT/train, ROOT/val (or valid), ROOT/test          a folder for each split, with XML and images (below)
ROOT alone                                          shared out 70:10:20 by hash of the name
and in each folder, or in ROOT:
Annotations/NAME.xml, annotations/, or in the folder itself
JPEGImages/NAME.jpg, images/, or in the folder itself, of any format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.label_names import names_in
from pylon_zoo.data.listing import list_images
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_channels, stack_boxes
from pylon_zoo.data.sample import no_boxes
from pylon_zoo.data.splits import SHARES, assign_by_hash
from pylon_zoo.data.voc import LIST_FOLDER, read_list
from pylon_zoo.data.voc_annotation import annotation_size, is_difficult, object_corners, read_annotation
from pylon_zoo.errors import DataError, UnknownNameError, suggest

XML_FOLDERS, IMAGE_FOLDERS = ("Annotations", "annotations", "."), ("JPEGImages", "images", ".")
SPELLINGS = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
SALT = "pylon_zoo/voc_xml"


class _Place(NamedTuple):
    """An image by name: its XML file, which need not exist; where it is looked for; and what lists it."""

    name: str
    xml: Path
    folders: tuple[Path, ...]
    listed: str = ""


class VocXml(RecordDataset):
    """Images with boxes in VOC-style XML; what has a box is present, everything else is absent.

    Boxes are read as in `PascalVoc`: pixels are counted from 1, and the last one is included. They are scaled from the
    file's `<size>` to the image on disk. An image is found by the XML file's name, else by its `<filename>`. Nobody
    knows the patients, so that each image is its own.

    Args:
        root: the folder that holds the files.
        split: `"train"`, `"val"` or `"test"`.
        classes: the names, in the order wanted, or one text with commas between them; None is all that occur in any
            split, sorted.
        difficult: count objects marked as difficult; without them, a class that an image has only difficult objects of
            is unknown (NaN).
        negatives: read images without an XML file as images without objects; by default they are passed over.
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: a file is missing or malformed (names it and the object), an object has a name that is not among
            `classes`, or an image is in two lists.
        UnknownNameError: no such split.
        ConfigError: other channels.

    Example:
        >>> from tempfile import mkdtemp; from PIL import Image
        >>> root = Path(mkdtemp())
        >>> for name in ("train", "val"):
        ...     (root / name).mkdir()
        ...     Image.new("RGB", (32, 32)).save(root / name / "1.png")
        ...     box = "<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>12</xmax><ymax>10</ymax></bndbox>"
        ...     text = f"<size><width>32</width><height>32</height></size><object><name>RBC</name>{box}</object>"
        ...     _ = (root / name / "1.xml").write_text(f"<annotation>{text}</annotation>")
        >>> VocXml(root, "train")[0].boxes
        tensor([[ 0.,  4.,  4., 12., 10.]])
    """

    name = "voc_xml"

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        classes: Sequence[str] | str | None = None,
        difficult: bool = True,
        negatives: bool = False,
        channels: int = 3,
        transform: SampleTransform | None = None,
    ) -> None:
        super().__init__(root, split, transform)
        self.channels = check_channels(channels)
        places = _find(self.root, negatives)
        if split not in places:
            raise UnknownNameError(f"'{root}' has no split '{split}': it has {', '.join(places)}.")
        read = places.values() if classes is None else [places[split]]
        annotations = {place.xml: one for of in read for place in of for one in [_read(place, negatives)] if one}
        self.classes = tuple(_names(annotations) if classes is None else names_in(classes))
        if not self.classes:
            raise DataError(f"The XML files in '{root}' name no object: there is nothing to tell apart.")
        on_disk: dict[tuple[Path, ...], dict[str, Path]] = {}
        records = []
        for place in places[split]:
            with row_problems():
                if place.folders not in on_disk:
                    on_disk[place.folders] = _by_name(place.folders)
                if place.xml in annotations:
                    records.append(self._record(place, annotations[place.xml], on_disk[place.folders], difficult))
                elif negatives and not place.xml.is_file():
                    image = _image(place, on_disk[place.folders], {})
                    records.append(Record(image, place.name, torch.zeros(len(self.classes)), no_boxes()))
        self.fill(records)

    def _record(
        self, place: _Place, annotation: dict[str, Any], on_disk: Mapping[str, Path], difficult: bool
    ) -> Record:
        size = annotation_size(place.xml, annotation)
        target = torch.zeros(len(self.classes))
        boxes = []
        for where, name, one in _objects(place.xml, annotation):
            if name not in self.classes:
                raise DataError(
                    f"{where} has the name '{name}': it must be one of {', '.join(self.classes)}."
                    f"{suggest(name, self.classes)}"
                )
            index = self.classes.index(name)
            box = (float(index), *object_corners(where, one, size))
            if difficult or not is_difficult(where, one):
                boxes.append(box)
                target[index] = 1
            elif target[index] == 0:
                target[index] = torch.nan
        image = _image(place, on_disk, annotation)
        return Record(image, place.name, target, stack_boxes(boxes), f"'{place.xml}'", size)


def _find(root: Path, negatives: bool) -> dict[str, list[_Place]]:
    """Split → its images, in natural order of names or in a list's."""
    if (root / LIST_FOLDER).is_dir():
        return _from_lists(root)
    found = {
        split: places
        for split, names in SPELLINGS.items()
        for name in names
        if (root / name).is_dir() and (places := _in_folder(root / name, root, negatives))
    }
    if found:
        return found
    places = _in_folder(root, root, negatives)
    if not places:
        shown = ", ".join(f"'{root / folder}'" for folder in (*SPELLINGS, *XML_FOLDERS[:-1]))
        raise DataError(f"'{root}' has no XML files, nor have {shown}: copy the annotations there.")
    shared: dict[str, list[_Place]] = {split: [] for split in SHARES}
    for place, split in zip(places, assign_by_hash([one.name for one in places], SHARES, SALT), strict=True):
        shared[split].append(place)
    return shared


def _from_lists(root: Path) -> dict[str, list[_Place]]:
    folder = next((root / one for one in XML_FOLDERS if (root / one).is_dir()), root)
    images = tuple(root / one for one in IMAGE_FOLDERS)
    lists = root / LIST_FOLDER
    found: dict[str, list[_Place]] = {}
    seen: dict[str, str] = {}
    for split in SPELLINGS:
        if not (lists / f"{split}.txt").is_file():
            continue
        found[split] = []
        for name, line in read_list(root, split).items():
            with row_problems():
                where = f"'{lists / split}.txt' row {line}"
                if name in seen:
                    raise DataError(f"{where} lists image '{name}' of {seen[name]} again: it can be in one split only.")
                seen[name] = where
                found[split].append(_Place(name, folder / f"{name}.xml", images, where))
    if not found:
        raise DataError(f"'{lists}' has none of train.txt, val.txt and test.txt: write the lists, or remove it.")
    return found


def _in_folder(folder: Path, root: Path, negatives: bool) -> list[_Place]:
    """What a folder has XML files of, and with `negatives` images of."""
    files = next((found for one in XML_FOLDERS if (found := sorted((folder / one).glob("*.xml")))), [])
    images = tuple(folder / one for one in IMAGE_FOLDERS)
    names = {file.stem: file for file in files}
    if negatives:
        stated = {_filename(file) for file in files}
        for name, path in list_images(images).items():
            if name not in stated:
                names.setdefault(path.stem, path.with_suffix(".xml"))
    start = "" if folder == root else f"{folder.name}/"  # files of one name in two splits are two
    return [_Place(f"{start}{name}", names[name], images) for name in sorted(names)]


def _filename(xml: Path) -> str:
    """The image that an XML file says it is of; nothing where it does not, or cannot be read."""
    try:
        return str(read_annotation(xml).get("filename", ""))
    except DataError:
        return ""  # named when it is read as a whole


def _read(place: _Place, negatives: bool) -> dict[str, Any] | None:
    """The annotation; None for an image that has none, or one that cannot be read while problems are collected."""
    if not place.xml.is_file():
        if negatives:
            return None
        with row_problems():
            raise DataError(
                f"'{place.xml}' does not exist, but {place.listed} lists '{place.name}': copy the annotation there, or "
                "remove the row."
            )
        return None
    with row_problems():
        annotation = read_annotation(place.xml)
        _objects(place.xml, annotation)
        return annotation
    return None


def _objects(path: Path, annotation: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Where, name and table of each object."""
    found = []
    for number, one in enumerate(annotation["object"], start=1):
        where = f"'{path}' object {number}"
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where} has no <name>: give it one, or remove the object.")
        found.append((where, name.strip(), one))
    return found


def _names(annotations: Mapping[Path, dict[str, Any]]) -> list[str]:
    return sorted({name for path, one in annotations.items() for _, name, _ in _objects(path, one)})


def _by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """Image's name, with and without suffix → path."""
    images = list_images(folders)
    return images | {path.stem: path for path in reversed(images.values())}


def _image(place: _Place, on_disk: Mapping[str, Path], annotation: dict[str, Any]) -> Path:
    name = place.xml.stem
    stated = annotation.get("filename", "")
    image = on_disk.get(name) or (on_disk.get(stated) if isinstance(stated, str) else None)
    if image is None:
        shown = ", ".join(f"'{folder}'" for folder in place.folders if folder.is_dir())
        also = f" or '{stated}'" if stated else ""
        raise DataError(f"'{place.xml}' is of an image '{name}'{also} that is not in {shown}: copy it there.")
    return image
