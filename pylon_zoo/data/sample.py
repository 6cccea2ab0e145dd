"""One labelled image, and a batch of them: what every dataset gives and every loop takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torchvision.transforms import v2

from pylon_zoo.data.finish import Finish, together
from pylon_zoo.errors import DataError


def no_boxes() -> Tensor:
    """An image without boxes: a float32 tensor of shape (0, 5).

    Example:
        >>> no_boxes().shape
        torch.Size([0, 5])
    """
    return torch.zeros(0, 5)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with what is known about it.

    Args:
        image: (C, H, W), uint8 or floating point in [0, 1]; normalised once a transform has seen it that leaves
            nothing to `finish`.
        target: (K,) float32, 1 present, 0 absent, NaN unknown.
        boxes: (M, 5) float32: class index, x0, y0, x1, y1 in pixels of `image`.
        patient: whose image it is; splits keep a patient on one side.
        path: where it came from, for messages and reports.
        masks: (K, H, W) bool, where each class is, in pixels of `image`; None where nobody drew them.
        finish: what is left to do to `image` until it is a model's input; None where that is nothing.

    Example:
        >>> Sample(torch.zeros(1, 8, 8), torch.tensor([1.0, 0.0])).boxes.shape
        torch.Size([0, 5])
    """

    image: Tensor
    target: Tensor
    boxes: Tensor = field(default_factory=no_boxes)
    patient: str = ""
    path: str = ""
    masks: Tensor | None = None
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one size, stacked; boxes stay a list because images have different numbers of them.

    Args:
        images: (N, C, H, W); `model_input` gives them as a model takes them.
        targets: (N, K) float32, NaN unknown.
        boxes: N tensors of shape (M, 5).
        patients: N names.
        paths: N paths.
        masks: N tensors of shape (K, H, W), or None for an image without; empty where no image has any.
        finish: what is left to do to the images, as in `Sample`.

    Example:
        >>> batch = collate([Sample(torch.zeros(1, 8, 8), torch.tensor([1.0, 0.0])) for _ in range(3)])
        >>> batch.images.shape, batch.targets.shape, len(batch.boxes)
        (torch.Size([3, 1, 8, 8]), torch.Size([3, 2]), 3)
    """

    images: Tensor
    targets: Tensor
    boxes: list[Tensor]
    patients: list[str]
    paths: list[str]
    masks: list[Tensor | None] = field(default_factory=list)
    finish: Finish | None = None

    def __len__(self) -> int:
        """The number of images, N."""
        return len(self.images)

    def model_input(
        self, device: torch.device | str, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """The images as a model takes them: they travel as they are, and are finished where they arrive.

        Args:
            device: the model's.
            memory_format: that the model wants them in.

        Returns:
            (N, C, H, W), float32 and normalised where there was something to finish.
        """
        images = self.images.to(device, non_blocking=True).contiguous(memory_format=memory_format)
        return images if self.finish is None else self.finish(images)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch with images, targets and boxes on another device."""
        return Batch(
            self.images.to(device, non_blocking=non_blocking),
            self.targets.to(device, non_blocking=non_blocking),
            [boxes.to(device, non_blocking=non_blocking) for boxes in self.boxes],
            self.patients,
            self.paths,
            [one if one is None else one.to(device, non_blocking=non_blocking) for one in self.masks],
            self.finish,
        )

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; a DataLoader with `pin_memory=True` calls this."""
        return Batch(
            self.images.pin_memory(),
            self.targets.pin_memory(),
            [boxes.pin_memory() for boxes in self.boxes],
            self.patients,
            self.paths,
            [one if one is None else one.pin_memory() for one in self.masks],
            None if self.finish is None else self.finish.pin_memory(),
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples into a batch; the `collate_fn` of every DataLoader here.

    Args:
        samples: at least one, all with images of one shape and targets of one length.

    Returns:
        The batch, in the order of `samples`; 8-bit images among others become floats in [0, 1].

    Raises:
        DataError: there are no samples, or an image or target differs in shape from the first.

    Example:
        >>> collate([Sample(torch.zeros(1, 8, 8), torch.zeros(2))] * 3).images.shape
        torch.Size([3, 1, 8, 8])
    """
    if not samples:
        raise DataError("Cannot make a batch of no samples. Give at least one.")
    first = samples[0]
    for sample in samples[1:]:
        for what in ("image", "target"):
            shape, expected = (tuple(getattr(one, what).shape) for one in (sample, first))
            if shape != expected:
                raise DataError(
                    f"Cannot batch {what}s of different shapes: '{sample.path}' has {shape}, '{first.path}' has "
                    f"{expected}. Give the dataset a transform that brings all images to one size and channel count."
                )
    return Batch(
        images=_stacked([sample.image for sample in samples]),
        targets=torch.stack([sample.target for sample in samples]),
        boxes=[sample.boxes for sample in samples],
        patients=[sample.patient for sample in samples],
        paths=[sample.path for sample in samples],
        masks=[sample.masks for sample in samples] if any(sample.masks is not None for sample in samples) else [],
        finish=together([sample.finish for sample in samples]),
    )


def _stacked(images: Sequence[Tensor]) -> Tensor:
    """(N, C, H, W): images of 8 bits as such, where all are; else all are floats in [0, 1]."""
    if len({image.dtype for image in images}) > 1:
        images = [v2.functional.to_dtype(image, torch.float32, scale=True) for image in images]
    return torch.stack(list(images))
