"""WebDataset shards: uncompressed tar files in which files of one name, up to its first dot, are one image.

ROOT/train-000.tar   the shards; `train`, `val` or `test` at the beginning of their names, or of their folder's, is
                     their split; without, 70:10:20 by hash of the patient
KEY.png              the image, of any suffix
KEY.json             {"labels": ["Mass"]}: what is present; or {"labels": {"Mass": 1, "Edema": 0, "Nodule": null}}, 0
                     absent, null unknown, -1 uncertain. Besides, where they are known, "patient": "p1", "boxes":
                     [["Mass", x0, y0, x1, y1]] in pixels of the image from its upper left corner, and "size": [height,
                     width], those that boxes are measured in where that is not the image's own
KEY.cls              in its place: the number of the class, from 0, or several with blanks between
ROOT/classes.txt     optional: the labels in order, one a line
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pylon_zoo.data.dataset import SampleTransform
from pylon_zoo.data.image_files import IMAGE_SUFFIXES, natural_order
from pylon_zoo.data.images import read_image_bytes
from pylon_zoo.data.label_names import names_in
from pylon_zoo.data.labels import uncertain_value
from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import Record, RecordDataset, check_channels, check_corners, stack_boxes
from pylon_zoo.data.splits import SHARES, assign_by_hash, check_patient_leak
from pylon_zoo.data.tar_members import Member, tar_members
from pylon_zoo.errors import DataError, ImageError, PylonZooError, suggest
from pylon_zoo.remote import suffix_of

CLASSES = "classes.txt"
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SALT = "pylon_zoo/webdataset"


class Span(NamedTuple):
    """Where the bytes of an image are."""

    shard: str
    start: int
    size: int


class Found(NamedTuple):
    """A sample of a shard.

    Attributes:
        path: the shard's, and the sample's key.
        name: the same from the root on, which is the patient where none is said.
        image: its image.
        said: its labels and what else is known.
        split: of its shard; empty where that does not say.
    """

    path: str
    name: str
    image: Span
    said: Mapping[str, Any]
    split: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"'{self.path}'"

    @property
    def patient(self) -> str:
        """Whose it is."""
        return str(self.said.get("patient") or self.name)


class WebDataset(RecordDataset):
    """Images in tar shards, each read where it lies: any order, any share and any place to go on from costs the same.

    Shards are read through once, when the dataset is opened: headers and labels, no images.

    Args:
        root: the folder of the shards, searched to the bottom.
        split: `"train"`, `"val"` or `"test"`.
        classes: the labels, in the order wanted, or one text with commas between them; None is `classes.txt`, or all
            that occur, sorted.
        uncertain: what -1 becomes: `"ones"`, `"zeros"` or `"ignore"` (NaN).
        channels: 3 for colour, 1 for grey.
        transform: `Sample -> Sample`, or None.

    Raises:
        DataError: no shards, a broken one, an image without labels or labels that cannot be read (names shard and
            image), or two splits share a patient.
        UnknownNameError: no such split or policy.
        ConfigError: other channels.

    Example:
        >>> from tempfile import mkdtemp; from io import BytesIO; from PIL import Image; import tarfile
        >>> root, image = Path(mkdtemp()), BytesIO()
        >>> Image.new("L", (32, 32)).save(image, "png")
        >>> with tarfile.open(root / "train-0.tar", "w:") as shard:
        ...     for name, content in (("a.png", image.getvalue()), ("a.json", b'{"labels": ["Mass"]}')):
        ...         header = tarfile.TarInfo(name); header.size = len(content)
        ...         shard.addfile(header, BytesIO(content))
        >>> WebDataset(root, "train", channels=1)[0].target
        tensor([1.])
    """

    name = "webdataset"

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
        unsure = uncertain_value(uncertain)
        shards = sorted(self.root.rglob("*.tar"), key=natural_order)
        if not shards:
            raise DataError(f"'{root}' holds no shard: give the folder of the .tar files.")
        found = [one for shard in shards for one in self._samples(shard)]
        self.classes = tuple(names_in(classes) if classes is not None else self._named() or _occurring(found))
        if not self.classes:
            raise DataError(f"The shards in '{root}' name no label: fill in \"labels\", or name them in {CLASSES}.")
        splits = self._share_out(found)
        index_of = {name: index for index, name in enumerate(self.classes)}
        self._spans: dict[str, Span] = {}
        records = []
        for one, its in zip(found, splits, strict=True):
            if its == split:
                with row_problems():
                    records.append(_record(one, index_of, unsure))
                    self._spans[str(records[-1].path)] = one.image
        self.fill(records)

    def read(self, path: Path) -> Tensor:
        """An image of a shard.

        Raises:
            ImageError: it is broken, or the shard has become shorter.
        """
        span = self._spans[str(path)]
        try:
            with open(span.shard, "rb") as file:  # noqa: PTH123 (a Path takes longer than the reading)
                file.seek(span.start)
                content = file.read(span.size)
        except OSError as error:
            raise ImageError(f"'{path}' cannot be opened: {error.strerror or error}.") from error
        if len(content) < span.size:
            raise ImageError(f"'{path}' is cut short: the shard ends early. Copy it again.")
        return read_image_bytes(content, str(path))

    def _named(self) -> list[str]:
        file = self.root / CLASSES
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()] if file.is_file() else []

    def _samples(self, shard: Path) -> Iterator[Found]:
        name, split = shard.relative_to(self.root).as_posix(), _split_of(shard, self.root)
        files: dict[str, list[Member]] = {}
        with row_problems():
            for member in tar_members(shard):
                files.setdefault(member.key, []).append(member)
        with shard.open("rb") as file:
            for key, members in files.items():
                with row_problems():
                    path = str(shard / key)
                    images = [one for one in members if suffix_of(one.name) in IMAGE_SUFFIXES]
                    if len(images) != 1:
                        raise DataError(f"'{path}' has {len(images)} images: an image has a name of its own.")
                    image = Span(str(shard), images[0].start, images[0].size)
                    yield Found(path, f"{name}/{key}", image, _said(f"'{path}'", members, file), split)

    def _share_out(self, found: Sequence[Found]) -> list[str]:
        """The split of each sample; a patient is in one alone."""
        patients = [one.patient for one in found]
        if not any(one.split for one in found):
            return assign_by_hash(patients, SHARES, SALT)
        members: dict[str, list[str]] = {}
        for one, patient in zip(found, patients, strict=True):
            if not one.split:
                raise DataError(f"{one.where} is in a shard of no split, and others are: rename it, train-000.tar say.")
            members.setdefault(one.split, []).append(patient)
        check_patient_leak(**members)
        return [one.split for one in found]


def _split_of(shard: Path, root: Path) -> str:
    for part in reversed(shard.relative_to(root).parts):
        word = re.split(r"[^a-z]", part.lower(), maxsplit=1)[0]
        if word in SPLIT_NAMES:
            return SPLIT_NAMES[word]
    return ""


def _said(where: str, members: Sequence[Member], file: Any) -> Mapping[str, Any]:
    """What a sample's `.json` or `.cls` says."""
    for member in members:
        if member.kind in ("json", "cls"):
            file.seek(member.start)
            content = file.read(member.size)
            try:
                said = json.loads(content) if member.kind == "json" else {"numbers": [*map(int, content.split())]}
            except ValueError as error:
                raise DataError(
                    f"{where} has a .{member.kind} that cannot be read ({error}): write it again."
                ) from error
            if isinstance(said, dict) and isinstance(said.get("labels", said.get("numbers")), list | dict):
                return said
            raise DataError(f'{where} has a .json without "labels": write a list of what is present.')
    raise DataError(f"{where} has neither .json nor .cls: every image needs its labels.")


def _occurring(found: Sequence[Found]) -> list[str]:
    numbers = [number for one in found for number in one.said.get("numbers", ())]
    names = {str(name) for one in found for name in one.said.get("labels", ())}
    return sorted(names) or [f"class_{number}" for number in range(max(numbers, default=-1) + 1)]


def _record(one: Found, index_of: Mapping[str, int], uncertain: float) -> Record:
    try:
        return _read(one, index_of, uncertain)
    except PylonZooError:
        raise
    except (TypeError, ValueError, KeyError, IndexError) as error:  # whatever is not of the kind that it must be
        raise DataError(f"{one.where} has a .json that cannot be understood ({error}): correct it.") from error


def _read(one: Found, index_of: Mapping[str, int], uncertain: float) -> Record:
    labels = one.said.get("labels", ())
    target = torch.zeros(len(index_of))
    for number in one.said.get("numbers", ()):
        if not 0 <= number < len(index_of):
            raise DataError(f"{one.where} has the class {number}: there are {len(index_of)}, from 0.")
        target[number] = 1
    for name in labels:
        target[_index(one, name, index_of)] = _value(one, labels[name], uncertain) if isinstance(labels, dict) else 1
    size = one.said.get("size")
    boxes = []
    for box in one.said.get("boxes", ()):
        name, *corners = box
        index = _index(one, name, index_of)
        if target[index] == 0:
            raise DataError(f"{one.where} has a box of '{name}', which its labels say is absent: correct one of them.")
        boxes.append((float(index), *check_corners(one.where, corners, size and (size[0], size[1]))))
    return Record(one.path, one.patient, target, stack_boxes(boxes), one.where, size and (int(size[0]), int(size[1])))


def _index(one: Found, name: Any, index_of: Mapping[str, int]) -> int:
    if name not in index_of:
        known = ", ".join(index_of)
        raise DataError(f"{one.where} has the label {name!r}: it must be one of {known}.{suggest(str(name), index_of)}")
    return index_of[name]


def _value(one: Found, value: Any, uncertain: float) -> float:
    values = {None: math.nan, 1: 1.0, 0: 0.0, -1: uncertain}
    if value not in values:
        raise DataError(f"{one.where} has the label {value!r}: it must be 1, 0, -1 (uncertain) or null (unknown).")
    return values[value]
