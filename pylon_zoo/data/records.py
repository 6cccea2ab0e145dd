"""Datasets that are a list of files with labels and boxes: what all readers share once their tables are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize
from torchvision.tv_tensors import Mask

from pylon_zoo.cells import both
from pylon_zoo.data.boxes import scale_boxes
from pylon_zoo.data.dataset import LabelledDataset, SampleTransform
from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.data.prepared import original_sizes
from pylon_zoo.data.sample import Sample, no_boxes
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, suggest
from pylon_zoo.regions import boxes_of_regions

BOX_SLACK = 1.0  # how far, in pixels, a box may stick out before it is an error and not rounding


class Record(NamedTuple):
    """One image before it is decoded.

    Attributes:
        path: the image file; as text where there may be 100,000 of them, since as many `Path`s take half a second.
        patient: whose it is; the image's own name where nobody says.
        target: (K,) float32, NaN unknown.
        boxes: (M, 5) float32, as in `Sample`, in pixels of `size`; None: those around the masks' connected regions.
        where: the file that the boxes are from, for messages.
        size: height and width that the boxes are measured in; None where they are those of the file on disk.
        masks: gives (K, height, width) bool, of the size the masks are drawn in, when called with the height and width
            of the image on disk.

    Example:
        >>> Record("scans/1.png", "p1", torch.tensor([1.0, 0.0]), no_boxes()).patient
        'p1'
    """

    path: Path | str
    patient: str
    target: Tensor
    boxes: Tensor | None
    where: str = ""
    size: tuple[int, int] | None = None
    masks: Callable[[tuple[int, int]], Tensor] | None = None


class RecordDataset(LabelledDataset):
    """A dataset made of `Record`s; a subclass reads its tables and calls `fill`.

    Args:
        root: the folder of the dataset.
        split: one of `splits`.
        transform: `Sample -> Sample`, or None.

    Raises:
        UnknownNameError: no such split.
        DataError: no such folder.

    Example:
        >>> from tempfile import mkdtemp
        >>> class Folder(RecordDataset):
        ...     name, classes = "folder", ("mass",)
        ...     def __init__(self, root, split):
        ...         super().__init__(root, split)
        ...         self.fill(Record(self.root / f"{name}.png", name, torch.ones(1), no_boxes()) for name in ("a", "b"))
        >>> Folder(mkdtemp(), "train")
        Folder('train', 2 images, 1 classes)
    """

    def __init__(self, root: str | Path, split: str, transform: SampleTransform | None = None) -> None:
        super().__init__(split, transform)
        self.root = Path(root)
        if split not in self.splits:
            raise UnknownNameError(
                f"Unknown split '{split}': one of {', '.join(self.splits)}.{suggest(split, self.splits)}"
            )
        if not self.root.is_dir():
            raise DataError(f"The folder '{root}' does not exist: give the folder of the dataset '{self.name}'.")
        self._records: list[Record] = []

    def fill(self, records: Iterable[Record]) -> None:
        """Take these records as the dataset's content; in a folder of `data prepare`, boxes are the originals'."""
        originals = original_sizes(self.root)
        self._records = [self._measured(record, originals) if originals else record for record in records]

    def _measured(self, record: Record, originals: Mapping[str, tuple[int, int]]) -> Record:
        path = Path(record.path)
        if record.size is not None or not path.is_relative_to(self.root):
            return record
        return record._replace(size=originals.get(path.relative_to(self.root).as_posix()))

    def __len__(self) -> int:
        return len(self._records)

    def load(self, index: int) -> Sample:
        """The image as on disk with the dataset's channels, boxes in its pixels.

        Raises:
            ImageError: the file is missing or broken.
            DataError: a box does not lie on the image, or it lies on its side against what the boxes are measured in.
        """
        record = self._records[index]
        path = Path(record.path)
        image = to_channels(self.read(path), self.channels)
        size = both(image.shape[-2:])
        masks = _masks(record, size)
        return Sample(
            image=image,
            target=record.target.clone(),
            boxes=boxes_of_masks(masks) if record.boxes is None else _boxes(record, record.boxes, size),
            patient=record.patient,
            path=str(path),
            masks=masks,
        )

    def read(self, path: Path) -> Tensor:
        """An image file as `read_image` reads it; for readers of formats that nothing else reads."""
        return read_image(path)

    def targets(self) -> Tensor:
        """All labels, (len, K) float32 of 0, 1 and NaN."""
        if not self._records:
            return torch.zeros(0, self.num_classes)
        return torch.stack([record.target for record in self._records])

    @property
    def patients(self) -> list[str]:
        """The patient of every image."""
        return [record.patient for record in self._records]


def stack_boxes(boxes: Sequence[Sequence[float]]) -> Tensor:
    """(M, 5) float32 from rows of class, x0, y0, x1, y1; none is (0, 5).

    Example:
        >>> stack_boxes([(2, 0, 0, 5, 5)])
        tensor([[2., 0., 0., 5., 5.]])
    """
    return torch.tensor(boxes, dtype=torch.float32) if boxes else no_boxes()


def stack_each(boxes: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Tensor]:
    """The same for the boxes of many images at once, which share one tensor: 100,000 small ones take long and much.

    Args:
        boxes: image → its rows, at least one.

    Example:
        >>> stack_each({"a.png": [(2, 0, 0, 5, 5)]})["a.png"]
        tensor([[2., 0., 0., 5., 5.]])
    """
    if not boxes:
        return {}
    rows = torch.tensor([row for of_image in boxes.values() for row in of_image], dtype=torch.float32)
    return dict(zip(boxes, rows.split([len(of_image) for of_image in boxes.values()]), strict=True))


def boxes_of_masks(masks: Tensor | None) -> Tensor:
    """A box around every connected region of every mask.

    Args:
        masks: (K, H, W) bool; None has no boxes.

    Returns:
        (M, 5) float32: class, x0, y0, x1, y1, from the region's first pixels' outer edges to its last ones'.

    Example:
        >>> boxes_of_masks(torch.tensor([[[0, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=torch.bool))
        tensor([[1., 1., 0., 2., 1.]])
    """
    found = [no_boxes()]
    for index, mask in enumerate([] if masks is None else masks):
        if mask.any():
            corners = boxes_of_regions(mask[None])[0].float() + torch.tensor([0.0, 0.0, 1.0, 1.0])
            found.append(torch.cat([torch.full_like(corners[:, :1], index), corners], dim=1))
    return torch.cat(found)


def check_corners(where: str, numbers: Sequence[Any], size: tuple[int, int] | None = None) -> list[float]:
    """Two corners of a box, checked.

    Args:
        where: the file and row, for the message.
        numbers: x0, y0, x1, y1, as text or numbers; the image's left and upper edge are 0.
        size: height and width of the image they are measured in, where that is known.

    Returns:
        x0, y0, x1, y1, clipped to the image by at most `BOX_SLACK` pixels.

    Raises:
        DataError: not four finite numbers, no area, or outside the image.

    Example:
        >>> check_corners("'a.csv' row 2", ["0", "1", "5", "9.5"], (9, 9))
        [0.0, 1.0, 5.0, 9.0]
    """
    height, width = (math.inf, math.inf) if size is None else size
    try:
        x0, y0, x1, y1 = map(float, numbers)
    except (TypeError, ValueError, OverflowError):
        x0 = y0 = x1 = y1 = math.nan
    across = -BOX_SLACK <= x0 < x1 <= width + BOX_SLACK and x1 < math.inf  # all of it false for NaN
    down = -BOX_SLACK <= y0 < y1 <= height + BOX_SLACK and y1 < math.inf
    if not (across and down):
        of_image = "with no negative ones" if size is None else f"inside the image, {width} wide and {height} high"
        raise DataError(
            f"{where} has a box from x0, y0 to x1, y1 = {', '.join(map(str, numbers))}: it must be four numbers, x0 "
            f"below x1 and y0 below y1, {of_image}. Correct or remove it."
        )
    clipped = [max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))]
    if not (clipped[0] < clipped[2] and clipped[1] < clipped[3]):
        raise DataError(f"{where} has a box with no part inside the image: correct or remove it.")
    return clipped


def check_channels(channels: int) -> int:
    """1 or 3, as they were given.

    Raises:
        ConfigError: another number.
    """
    if channels not in (1, 3):
        raise ConfigError(f"channels={channels} must be 1 (grey) or 3 (colour).")
    return channels


def check_fraction(name: str, value: float) -> None:
    """Refuse a share outside [0, 1).

    Raises:
        ConfigError: it is.
    """
    if not 0 <= value < 1:
        raise ConfigError(f"{name}={value} must lie in [0, 1).")


def _boxes(record: Record, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """A record's boxes in pixels of the image on disk."""
    if record.size is not None:
        _check_upright(record, size)
        return scale_boxes(boxes, record.size, size)
    for box in boxes.tolist():
        check_corners(f"{record.where} on image '{record.path}'", box[1:], size)
    height, width = size
    limits = boxes.new_tensor([width, height, width, height])
    return torch.cat([boxes[:, :1], boxes[:, 1:].minimum(limits)], dim=1)


def _check_upright(record: Record, size: tuple[int, int]) -> None:
    height, width = size
    high, wide = record.size or size
    if (height - width) * (high - wide) < 0:
        raise DataError(
            f"'{record.path}' is {width} wide and {height} high, but {record.where} measures it as {wide} wide and "
            f"{high} high: one of them is turned on its side. Copy the image and the table again."
        )


def _masks(record: Record, size: tuple[int, int]) -> Tensor | None:
    """The masks at the size of the image on disk."""
    if record.masks is None:
        return None
    masks = record.masks(size)
    _check_upright(record._replace(size=both(masks.shape[-2:])), size)
    resized: Tensor = resize(Mask(masks), list(size)).as_subclass(Tensor)
    return resized
