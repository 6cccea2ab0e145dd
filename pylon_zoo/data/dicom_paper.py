"""DICOM radiographs as the paper turned VinDr-CXR into PNG, to repeat its experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from pylon_zoo.data.dicom import decode
from pylon_zoo.errors import ImageError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

LONGER_SIDE = 1024
BINS = 256


def read_dicom_as_paper(path: str | Path) -> Tensor:
    """Stored values, inverted if MONOCHROME1, stretched from lowest to highest, equalised, longer side 1024.

    The file's look-up tables and windows are passed over, and small pictures are enlarged, as in the authors' script.

    Args:
        path: the file.

    Returns:
        (1, H, W) uint8, max(H, W) = 1024, resized linearly without antialiasing.

    Raises:
        ImageError, MissingDependencyError: as for `read_dicom`; a picture of one value only, too.
    """
    equal = torch.from_numpy(decode(path, lambda stored, dataset: _equalised(stored, dataset, path)))[None]
    height, width = equal.shape[-2:]
    ratio = LONGER_SIDE / max(height, width)
    size = [max(int(height * ratio), 1), max(int(width * ratio), 1)]
    resized: Tensor = v2.functional.resize(equal, size, interpolation=InterpolationMode.BILINEAR, antialias=False)
    return resized


def equalise(image: np.ndarray) -> np.ndarray:
    """Histogram equalisation: each value becomes the share of pixels up to it, linear between 256 bins.

    Args:
        image: floating point in [0, 1], both reached.

    Returns:
        The same shape, in [0, 1].

    Example:
        >>> equalise(np.array([0.0, 0.5, 0.5, 1.0])).tolist()
        [0.25, 0.75, 0.75, 1.0]
    """
    counts, edges = np.histogram(image, BINS)
    cumulated = counts.cumsum() / image.size
    equal: np.ndarray = np.interp(image, edges[:-1], cumulated)
    return equal


def _equalised(stored: np.ndarray, dataset: Dataset, path: str | Path) -> np.ndarray:
    values = stored.astype(np.float64)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = -values
    low, high = values.min(), values.max()
    if low == high:
        raise ImageError(f"'{path}' has the value {stored.flat[0]} everywhere: there is no picture to equalise.")
    return (equalise((values - low) / (high - low)) * 255).astype(np.uint8)
