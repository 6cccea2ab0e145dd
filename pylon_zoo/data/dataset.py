"""The base of every dataset: labels and patients without decoding, images one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from torch import Tensor
from torch.utils.data import Dataset

from pylon_zoo.data.sample import Sample

SampleTransform = Callable[[Sample], Sample]


class LabelledDataset(Dataset[Sample], ABC):
    """Images with image-level labels, perhaps boxes, and the patient each belongs to.

    A subclass sets `name`, `classes` and `channels`, and writes `load`, `targets`, `patients` and `__len__`; indexing,
    negative indices, range checks and the transform are done here.

    Args:
        split: `"train"`, `"val"` or `"test"`; `splits` says which of them a subclass has.
        transform: `Sample -> Sample`, applied to every sample that leaves the dataset; None leaves it as stored.

    Attributes:
        name: the dataset's name, as used in reports.
        classes: K label names, in the order of the targets' columns.
        channels: 1 for grey images, 3 for colour.

    Example:
        >>> import torch
        >>> class Blank(LabelledDataset):
        ...     name, classes = "blank", ("nothing",)
        ...     patients = ["p1", "p2"]
        ...     def __len__(self):
        ...         return 2
        ...     def load(self, index):
        ...         return Sample(torch.zeros(1, 8, 8), torch.ones(1), patient=self.patients[index])
        ...     def targets(self):
        ...         return torch.ones(2, 1)
        >>> Blank("train")[-1].patient
        'p2'
    """

    name: str
    classes: tuple[str, ...]
    channels: int = 1
    splits: tuple[str, ...] = ("train", "val", "test")

    def __init__(self, split: str, transform: SampleTransform | None = None) -> None:
        self.split = split
        self.transform = transform

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abstractmethod
    def load(self, index: int) -> Sample:
        """One sample as stored, before the transform.

        Args:
            index: already checked to lie in [0, len).
        """

    @abstractmethod
    def targets(self) -> Tensor:
        """All labels, (len, K) float32 with NaN for unknown, without decoding an image."""

    @property
    @abstractmethod
    def patients(self) -> list[str]:
        """The patient of every image, in order, without decoding an image."""

    @property
    def num_classes(self) -> int:
        """K, the number of labels."""
        return len(self.classes)

    def __getitem__(self, index: int) -> Sample:
        """One sample, transformed.

        Args:
            index: in [-len, len); negative counts from the end.

        Raises:
            IndexError: there is no such image.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"{self.name}/{self.split} has {count} images; there is no image {index}.")
        sample = self.load(int(index) % count)
        return sample if self.transform is None else self.transform(sample)

    def __iter__(self) -> Iterator[Sample]:
        """All samples in order."""
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split!r}, {len(self)} images, {self.num_classes} classes)"
