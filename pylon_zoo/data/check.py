"""Reading a whole dataset once, to count what is in it and to find all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pylon_zoo.data.boxes import box_areas
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.problems import collect_problems
from pylon_zoo.data.registry import SPLITS, open_dataset, parse_data_spec
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.splits import check_patient_leak
from pylon_zoo.errors import ConfigError, DataError, UnknownNameError
from pylon_zoo.progress import bar


@dataclass
class SplitReport:
    """What one split holds.

    Args:
        split: its name.
        images: how many images its tables list and the disk has.
        patients: how many patients they are of.
        present: K counts of images with the class.
        absent: K counts of images without it.
        unknown: K counts of images of which it is not known.
        sizes: (width, height) → how many images could be decoded.
        boxes: (M, 4) of all images: class, width and height in pixels, share of the image's area in [0, 1].
        masks: K counts of images with a mask of the class that is not empty; zeros where there are no masks.
    """

    split: str
    images: int
    patients: int
    present: list[int]
    absent: list[int]
    unknown: list[int]
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    boxes: Tensor = field(default_factory=lambda: torch.zeros(0, 4))
    masks: list[int] = field(default_factory=list)


@dataclass
class DatasetReport:
    """What `check_dataset` found.

    Args:
        spec: the dataset as it was named.
        classes: K names.
        splits: those that could be opened, in the order train, val, test.
        problems: what is wrong, one sentence each, with the file and the row, object or image.
        remarks: what may be meant as it is, likewise.
    """

    spec: str
    classes: tuple[str, ...]
    splits: list[SplitReport]
    problems: list[str]
    remarks: list[str] = field(default_factory=list)


class _Seen(NamedTuple):
    """What is kept of a sample once it has been decoded."""

    size: tuple[int, int] | None
    boxes: Tensor
    masks: list[bool]
    problems: list[str]
    remarks: list[str]
    content: bytes
    path: str

    def __len__(self) -> int:
        """One image, for the progress bar."""
        return 1


class _Reading(Dataset[_Seen]):
    """A dataset's samples, each decoded, looked at and dropped; made for the workers of a loader."""

    def __init__(self, data: LabelledDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> _Seen:
        try:
            sample = self.data.load(index)
        except DataError as error:
            return _Seen(None, torch.zeros(0, 4), [], [str(error)], [], b"", "")
        height, width = sample.image.shape[-2:]
        across, down = (sample.boxes[:, high] - sample.boxes[:, low] for low, high in ((1, 3), (2, 4)))
        share = box_areas(sample.boxes) / (height * width)
        masks = [] if sample.masks is None else sample.masks.flatten(1).any(dim=1).tolist()
        boxes = torch.stack([sample.boxes[:, 0], across, down, share], dim=1)
        plain = bool(sample.image.amin() == sample.image.amax())
        remarks = [f"'{sample.path}' has one value everywhere; export it again if it should not."] if plain else []
        content = b"" if plain else _content(sample.image)  # empty pictures are alike without being copies
        return _Seen((width, height), boxes, masks, _doubts(sample, self.data.classes), remarks, content, sample.path)


def check_dataset(
    spec: str, options: Mapping[str, Any] | None = None, *, workers: int = 0, progress: bool = False
) -> DatasetReport:
    """Read every table and decode every image of a dataset once.

    Two images of the same pixels are a problem if they are in two splits, a remark if in one; so is an image of one
    value. Malformed rows do not stop it: they are noted and left out, so that one run names them all.

    Args:
        spec: `"NAME[:DIR]"`, as for `open_dataset`.
        options: the dataset's own.
        workers: processes that decode; 0 decodes here.
        progress: show a bar on stderr.

    Returns:
        Counts of every split, all problems and remarks. A split that the dataset does not have is left out.

    Raises:
        UnknownNameError: no such dataset.
        ConfigError: a folder is missing, or given to a dataset that has none.
        MissingDependencyError: the images need a package that is not installed.

    Example:
        >>> report = check_dataset("phantom")  # doctest: +SKIP
        >>> report.splits[2].images, report.problems  # doctest: +SKIP
        (1000, [])
    """
    parse_data_spec(spec)
    opened: list[LabelledDataset] = []
    absent: list[UnknownNameError] = []
    with collect_problems() as problems:
        for split in SPLITS:
            try:
                opened.append(open_dataset(spec, split, **(options or {})))
            except DataError as error:
                problems[str(error)] = None
            except UnknownNameError as error:
                absent.append(error)  # VOC2012 has no test split, COCO's has no labels
    if not opened and not problems:
        raise ConfigError(
            f"The dataset '{spec}' has none of the splits {', '.join(SPLITS)}: check the folder. {absent[0]}"
        ) from absent[0]
    try:
        check_patient_leak(**{data.split: data.patients for data in opened})
    except DataError as error:
        if not any(str(error) in problem for problem in problems):
            problems[f"'{spec}' leaks. {error}"] = None
    for data in opened[1:]:
        if data.classes != opened[0].classes:
            problems[
                f"'{spec}' has other classes in '{data.split}' ({', '.join(data.classes)}) than in '{opened[0].split}' "
                f"({', '.join(opened[0].classes)}): make them one list."
            ] = None
    result = DatasetReport(spec, opened[0].classes if opened else (), [], list(problems))
    first: dict[bytes, tuple[str, str]] = {}
    for data in opened:
        _read_split(data, result, first, workers, progress)
    result.problems = list(dict.fromkeys(result.problems))
    return result


def _read_split(
    data: LabelledDataset, result: DatasetReport, first: dict[bytes, tuple[str, str]], workers: int, progress: bool
) -> None:
    """Add what a split holds to the result; `first` is where each content was first seen, split and path."""
    targets = data.targets()
    report = SplitReport(
        split=data.split,
        images=len(data),
        patients=len(set(data.patients)),
        present=(targets == 1).sum(dim=0).tolist(),
        absent=(targets == 0).sum(dim=0).tolist(),
        unknown=targets.isnan().sum(dim=0).tolist(),
        masks=[0] * len(data.classes),
    )
    loader = DataLoader(_Reading(data), batch_size=None, num_workers=workers)
    boxes = []
    for seen in bar(loader, f"reading {data.split}", images=len(data), show=progress):
        result.problems += seen.problems
        result.remarks += seen.remarks
        split, path = first.setdefault(seen.content, (data.split, seen.path)) if seen.content else (data.split, "")
        if path and path != seen.path:
            same = f"'{seen.path}' of '{data.split}' has the pixels of '{path}'"
            if split == data.split:
                result.remarks.append(f"{same}; remove one of them if they are one image.")
            else:
                result.problems.append(f"{same} of '{split}': keep an image in one split only.")
        boxes.append(seen.boxes)
        if seen.size is not None:
            report.sizes[tuple(seen.size)] += 1
        for index, there in enumerate(seen.masks):
            report.masks[index] += there
    report.boxes = torch.cat([report.boxes, *boxes])
    result.splits.append(report)


def _content(image: Tensor) -> bytes:
    """What tells one image's pixels from another's."""
    shape = str((image.dtype, *image.shape)).encode()
    return blake2b(image.contiguous().numpy().data, digest_size=16, key=shape).digest()


def _doubts(sample: Sample, classes: tuple[str, ...]) -> list[str]:
    """What no reader refuses and yet cannot be right."""
    doubts = []
    for index in sample.boxes[:, 0].long().unique().tolist():
        if sample.target[index] == 0:
            doubts.append(f"'{sample.path}' has a box of '{classes[index]}', which its labels say is absent.")
    for index in [] if sample.masks is None else sample.masks.flatten(1).any(dim=1).nonzero().flatten().tolist():
        if sample.target[index] == 0:
            doubts.append(f"'{sample.path}' has a mask of '{classes[index]}', which its labels say is absent.")
    return doubts
