"""What a dataset is like, as far as a recipe depends on it; data that cannot be trained on is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pylon_zoo.cells import both
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.registry import DATASETS, parse_data_spec
from pylon_zoo.errors import DataError
from pylon_zoo.progress import bar

LEAST = {"train": 10, "val": 4}
"""Images that a split must have for its figures to mean anything."""
READ_AT_MOST = {True: 5000, False: 16}
"""Images of a split that are read before a run, evenly spaced where there are more: of files, and of what is drawn."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Args:
        spec: the dataset as it was named.
        classes: K names.
        images: of the training and of the validation split.
        prevalence: (K,) share of the training images that have the class, of those where it is known.
        unjudged: classes that no validation image has, or all have, so that they have no AUROC.
        sizes: (height, width) → training images of that size.
        grey: no training image has colour.
        located: there are boxes or masks in the validation split.
        read: how many images were decoded, of both splits.
    """

    spec: str
    classes: tuple[str, ...]
    images: tuple[int, int]
    prevalence: Tensor
    unjudged: tuple[str, ...]
    sizes: Counter[tuple[int, int]]
    grey: bool
    located: bool
    read: int

    @property
    def side(self) -> int:
        """Pixels of a square with as many as half of the training images have at least."""
        areas = sorted(height * width for (height, width), count in self.sizes.items() for _ in range(count))
        return round(sqrt(areas[len(areas) // 2]))


def survey(
    spec: str, train_set: LabelledDataset, val_set: LabelledDataset, *, workers: int = 0, progress: bool = False
) -> Survey:
    """Look at both splits: labels first, then images.

    Args:
        spec: the dataset as it was named.
        train_set, val_set: without transforms.
        workers: processes that read images.
        progress: bars on stderr.

    Raises:
        DataError: too few images, no labels, nothing to tell apart, a class that validation images have and
            no training image, or an image that cannot be read (`ImageError`).

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr
        >>> survey("phantom", *(PhantomCxr(split, size=32, count=64) for split in ("train", "val"))).side
        32
    """
    for dataset in (train_set, val_set):
        check_enough(spec, dataset)
    if tuple(train_set.classes) != tuple(val_set.classes):
        raise DataError(
            f"'{spec}' has other classes in '{val_set.split}' ({', '.join(val_set.classes)}) than in "
            f"'{train_set.split}' ({', '.join(train_set.classes)}): make them one list."
        )
    prevalence = check_labels(spec, train_set)
    val = val_set.targets()
    judged = ((val == 1).any(0) & (val == 0).any(0)).tolist()
    seen = {dataset.split: _read(spec, dataset, workers, progress) for dataset in (train_set, val_set)}
    return Survey(
        spec=spec,
        classes=tuple(train_set.classes),
        images=(len(train_set), len(val_set)),
        prevalence=prevalence,
        unjudged=tuple(name for name, known in zip(train_set.classes, judged, strict=True) if not known),
        sizes=Counter(one.size for one in seen[train_set.split]),
        grey=all(one.grey for one in seen[train_set.split]),
        located=any(one.located for one in seen[val_set.split]),
        read=sum(map(len, seen.values())),
    )


def never_shown(train_set: LabelledDataset, val_set: LabelledDataset) -> tuple[str, ...]:
    """Classes that no image of the two splits is known to have, as where a format lists more than it uses.

    Exporters of COCO files write a parent category without annotations, for one. None, where there are no labels at
    all or the splits have other classes: what is wrong there is something else.
    """
    if tuple(train_set.classes) != tuple(val_set.classes):
        return ()
    shown = torch.stack([(dataset.targets() == 1).sum(0) for dataset in (train_set, val_set)]).sum(0).tolist()
    return tuple(name for name, count in zip(train_set.classes, shown, strict=True) if not count) if any(shown) else ()


def check_enough(spec: str, dataset: LabelledDataset) -> None:
    """Refuse a split with too few images.

    Raises:
        DataError: there are fewer than `LEAST`.
    """
    least = LEAST[dataset.split]
    if len(dataset) < least:
        raise DataError(
            f"The {dataset.split} split of '{spec}' has {len(dataset)} image{'s' * (len(dataset) != 1)}, and training "
            f"needs at least {LEAST['train']} in train and {LEAST['val']} in val: add some."
        )


def check_labels(spec: str, dataset: LabelledDataset) -> Tensor:
    """How frequent each class is among training images, (K,) float32; refuses labels that nothing can be learnt from.

    Raises:
        DataError: no labels, every class in every image, or a class in none.
    """
    targets = dataset.targets()
    present, known = (targets == 1).sum(0), (~targets.isnan()).sum(0)
    if not present.sum():
        raise DataError(
            f"No image of the {dataset.split} split of '{spec}' has a label: a model learns from images that are known "
            "to show something, so label some."
        )
    if (present == known).all():
        named = ", ".join(f"'{name}'" for name in dataset.classes)
        raise DataError(
            f"Every image of the {dataset.split} split of '{spec}' has {named}, and there is nothing to tell "
            f"{'it' if len(dataset.classes) == 1 else 'them'} from: add images without, or another class."
        )
    if len(never := [name for name, count in zip(dataset.classes, present.tolist(), strict=True) if not count]):
        named = ", ".join(f"'{name}'" for name in never)
        raise DataError(
            f"No image of the {dataset.split} split of '{spec}' has {named}, so it cannot be learnt: add images that "
            "have it, or take it out of the classes."
        )
    return present / known


@dataclass(frozen=True)
class _Seen:
    """What is kept of an image once it has been decoded."""

    size: tuple[int, int]
    grey: bool
    located: bool

    def __len__(self) -> int:
        """One image, for the progress bar."""
        return 1


class _Reading(Dataset[_Seen]):
    """A dataset's images, looked at one by one; made for the workers of a loader."""

    def __init__(self, data: LabelledDataset, places: list[int]) -> None:
        self.data, self.places = data, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> _Seen:
        sample = self.data.load(self.places[place])
        image = sample.image
        return _Seen(both(image.shape[-2:]), bool((image == image[:1]).all()), bool(len(sample.boxes)))


def _read(spec: str, dataset: LabelledDataset, workers: int, progress: bool) -> list[_Seen]:
    """Decode a split, or so many of its images that nothing is likely to be left unseen."""
    count = min(len(dataset), READ_AT_MOST[DATASETS[parse_data_spec(spec)[0]].needs_dir])
    places = torch.linspace(0, len(dataset) - 1, count).round().long().tolist()
    loader = DataLoader(_Reading(dataset, places), batch_size=None, num_workers=workers)
    return list(bar(loader, f"looking at {dataset.split}", count, progress))
