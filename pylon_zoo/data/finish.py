"""What is left to do to images once they are where the model is: move, brighten, normalise a whole batch at once.

Images of 8 bits travel as such, a quarter of float32's bytes; what is decided for each image travels beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2


@dataclass(frozen=True, slots=True)
class Change:
    """How images are augmented, each its own way.

    Args:
        size: height and width of the result in pixels.
        matrices: (N, 2, 3) float32, from places of the result to places of the image, both from -1 to 1 across and
            down, edge to edge; of one image (2, 3).
        tones: (N, 2) float32, contrast and brightness: pixel → contrast · pixel + brightness; of one image (2,).
        edges: what lies beyond the image: `"zeros"`, or `"reflection"`, itself in a mirror.
        tone_first: change the tones before the image is moved, so that what comes in at an edge keeps its own.
    """

    size: tuple[int, int]
    matrices: Tensor
    tones: Tensor
    edges: str = "zeros"
    tone_first: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), float32 in [0, 1] → (N, C, *size), the same."""
        if self.tone_first:
            return self._move(self._tone(images))
        return self._tone(self._move(images))

    def _move(self, images: Tensor) -> Tensor:
        return warp(images, self.matrices.to(images.device, non_blocking=True), self.size, self.edges)

    def _tone(self, images: Tensor) -> Tensor:
        contrast, brightness = self.tones.to(images.device, non_blocking=True)[:, :, None, None, None].unbind(1)
        return torch.addcmul(brightness, images, contrast).clamp_(0, 1)


@dataclass(frozen=True, slots=True)
class Finish:
    """What turns pixels into a model's input.

    Args:
        mean: one entry per channel, of pixels in [0, 1].
        std: likewise.
        change: done before; None leaves the images as they are.

    Example:
        >>> Finish((0.5,), (0.25,))(torch.full((1, 1, 1, 2), 255, dtype=torch.uint8))
        tensor([[[[2., 2.]]]])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    change: Change | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Finish images on the device they are on.

        Args:
            images: (N, C, H, W), or (C, H, W) where there is no change; uint8, or floating point in [0, 1].

        Returns:
            float32, normalised, in the same memory layout: bit for bit what the images would be one by one.
        """
        pixels = v2.functional.to_dtype(images, torch.float32, scale=True)
        if self.change is not None:
            pixels = self.change(pixels)
        normalized: Tensor = v2.functional.normalize(pixels, list(self.mean), list(self.std))
        return normalized

    def pin_memory(self) -> Finish:
        """The same in page-locked memory."""
        if self.change is None:
            return self
        matrices, tones = self.change.matrices.pin_memory(), self.change.tones.pin_memory()
        return replace(self, change=replace(self.change, matrices=matrices, tones=tones))


def together(finishes: Sequence[Finish | None]) -> Finish | None:
    """That of a batch, from those of its images, which come from one transform."""
    first = finishes[0]
    changes = [one.change for one in finishes if one is not None and one.change is not None]
    if first is None or not changes:
        return first
    matrices, tones = (torch.stack([getattr(one, name) for one in changes]) for name in ("matrices", "tones"))
    return replace(first, change=replace(changes[0], matrices=matrices, tones=tones))


def warp(images: Tensor, matrices: Tensor, size: tuple[int, int], edges: str) -> Tensor:
    """Read each image at places of its own, linearly between pixels.

    The places are computed element by element: as a product of matrices, as `affine_grid` does, they would be rounded
    to TensorFloat32 where a user allows that, by a tenth of a pixel, and depend on how many images are in a batch.

    Args:
        images: (N, C, H, W) float32.
        matrices: (N, 2, 3) float32, see `Change`.
        size: height and width of the result.
        edges: see `Change`.

    Returns:
        (N, C, *size) in the images' memory layout; where a matrix changes nothing, the image to the bit.

    Example:
        >>> mirrored = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> warp(torch.tensor([[[[1.0, 2.0]]]]), mirrored, (1, 2), "zeros")
        tensor([[[[2., 1.]]]])
    """
    down, across = ((2 * torch.arange(side, device=images.device) + 1) / side - 1 for side in size)
    by_x, by_y, shift = matrices[..., None, None].unbind(2)
    grid = (by_x * across + by_y * down[:, None] + shift).movedim(1, -1)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode=edges, align_corners=False)
    if moved.shape == images.shape:
        still = (matrices == torch.eye(2, 3, device=matrices.device)).flatten(1).all(1)
        moved = torch.where(still[:, None, None, None], images, moved)
    layout = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return moved.contiguous(memory_format=layout)
