"""DICOM radiographs: stored values through their look-up tables to grey in [0, 1], at full depth."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pylon_zoo.errors import ConfigError, ImageError, suggest
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# PS3.3 C.11.2.1.2 and C.11.2.1.3: grey, before clamping to [0, 1], from value, centre and width.
WINDOWS: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "LINEAR": lambda value, centre, width: (value - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5,
    "LINEAR_EXACT": lambda value, centre, width: (value - centre) / width + 0.5,
    "SIGMOID": lambda value, centre, width: (1 + np.tanh(2 * (value - centre) / width)) / 2,  # = 1 / (1 + exp(-4 …))
}


NO_PLUGIN = "missing dependencies"  # pydicom's words for a compression that nothing installed can decode
VOIS = ("lut", "window", "none")
"""What brings values to grey: the VOI LUT, else the window; the window even beside a LUT; or neither."""

MAX_PIXELS = 2 * 89_478_485  # where Pillow calls a picture a bomb


class NamedBytes(io.BytesIO):
    """The bytes of a file in memory; as text it is the file's name, so that errors can say which one."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name: str = name

    def __str__(self) -> str:
        return self.name


def read_dicom(path: str | Path | NamedBytes, voi: str = "lut") -> Tensor:
    """The grey image in a DICOM file, as the standard says to show it (needs the extra `[dicom]`).

    Modality LUT or rescale; then the VOI LUT, else the first window, else the whole range that BitsStored allows;
    then MONOCHROME1 (white is low) is inverted. Compressed files need one of pydicom's decoder plugins.

    Args:
        path: the file, or its bytes.
        voi: `"lut"`, as above; `"window"` passes over a VOI LUT; `"none"` takes the whole range always.

    Returns:
        (1, H, W) float32 in [0, 1], black to white.

    Raises:
        ImageError: no DICOM, no pixels, colour, several frames, a window or LUT that makes no sense, or pixel data
            that cannot be decoded.
        ConfigError: no such `voi`.
        MissingDependencyError: pydicom is not installed.
    """
    if voi not in VOIS:
        raise ConfigError(f"voi='{voi}' must be one of {', '.join(VOIS)}.{suggest(voi, VOIS)}")
    pixels = require("pydicom.pixels", extra="dicom")

    def grey(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
        with np.errstate(all="ignore"):  # what comes of it is looked at
            shown = _to_grey(pixels, pixels.apply_modality_lut(stored, dataset), dataset, path, voi)
        if not np.isfinite(shown).all():
            raise ImageError(f"'{path}' has a look-up table or window that gives no numbers: correct or remove it.")
        return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown

    return torch.from_numpy(decode(path, grey).astype(np.float32))[None]


def dicom_size(path: str | Path | NamedBytes) -> tuple[int, int] | None:
    """(height, width) as a file's header says, without its pixels; None where it says nothing.

    Args:
        path: the file, or its bytes.

    Raises:
        MissingDependencyError: pydicom is not installed.
    """
    pydicom = require("pydicom", extra="dicom")
    try:
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        return int(header.Rows), int(header.Columns)
    except Exception:  # whatever is wrong with it, reading it all says so
        return None


def decode(path: str | Path | NamedBytes, use: Callable[[np.ndarray, Dataset], np.ndarray]) -> np.ndarray:
    """The stored pixels of a file with one grey frame, through a function.

    Args:
        path: the file, or its bytes.
        use: stored values (H, W) and the dataset → what to return; whatever it raises is the file's fault.

    Raises:
        ImageError, MissingDependencyError: as for `read_dicom`.
    """
    pydicom = require("pydicom", extra="dicom")
    try:
        dataset = pydicom.dcmread(path, force=True)  # files without the preamble are common
        check_kind(dataset, path)
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, _ = dataset.original_encoding
            syntax = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
            dataset.file_meta.TransferSyntaxUID = syntax
        stored = dataset.pixel_array
        if stored.ndim != 2:
            raise ImageError(f"'{path}' holds pixels of shape {stored.shape}: give a DICOM with one grey image.")
        return use(stored, dataset)
    except ImageError:
        raise
    except Exception as error:  # decoders fail in many ways on foreign bytes; which one does not matter to the caller
        reason = " ".join(str(error).split())
        todo = "install a plugin it names, or decompress the file" if NO_PLUGIN in reason else "copy or export it again"
        raise ImageError(f"'{path}' is not a DICOM that can be read ({reason}): {todo}.") from error


def check_kind(dataset: Dataset, path: str | Path | NamedBytes) -> None:
    """Refuse whatever holds no single grey image.

    Args:
        dataset: of the file, pixels included.
        path: how the message names it.

    Raises:
        ImageError: says what it holds instead.
    """
    if "PixelData" not in dataset:
        raise ImageError(f"'{path}' holds no DICOM image (no PixelData): give a radiograph, not a report or directory.")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(f"'{path}' holds {frames} frames: export the one that is meant as its own DICOM.")
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        raise ImageError(
            f"'{path}' is a colour DICOM (photometric interpretation {photometric}), which no radiograph is: export "
            "it as PNG if it is meant."
        )
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if not 0 < rows * columns <= MAX_PIXELS:
        raise ImageError(f"'{path}' says it has {rows} rows and {columns} columns of pixels: export it again.")
    stored, high = int(dataset.get("BitsStored") or 0), dataset.get("HighBit")
    if high is not None and int(high) != stored - 1:
        raise ImageError(
            f"'{path}' keeps {stored} stored bits below bit {high}, not at the low end: export it again (HighBit must "
            f"be {stored - 1})."
        )


def _to_grey(
    pixels: ModuleType, values: np.ndarray, dataset: Dataset, path: str | Path | NamedBytes, voi: str
) -> np.ndarray:
    """Values after the modality LUT → [0, 1]."""
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError(f"'{path}' has NaN or infinite pixels after rescaling: check its RescaleSlope and -Intercept.")
    if voi == "lut" and dataset.get("VOILUTSequence"):
        grey = _through_lut(pixels, values, dataset)
    elif voi != "none" and dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        grey = _through_window(values, dataset, path)
    else:
        low, high = _value_range(dataset)
        grey = (values - low) / (high - low)
    clipped: np.ndarray = np.clip(grey, 0, 1)
    return clipped


def _through_lut(pixels: ModuleType, values: np.ndarray, dataset: Dataset) -> np.ndarray:
    descriptor = dataset.VOILUTSequence[0].LUTDescriptor
    depth = int(descriptor[2])
    descriptor[2] = 16  # pydicom would index a table of 8-bit entries with 8-bit numbers, which wrap
    grey: np.ndarray = pixels.apply_voi(np.rint(values).astype(np.int64), dataset) / (2**depth - 1)
    return grey


def _through_window(values: np.ndarray, dataset: Dataset, path: str | Path | NamedBytes) -> np.ndarray:
    centre, width = (float(np.atleast_1d(dataset[key].value)[0]) for key in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if function not in WINDOWS or not (math.isfinite(centre) and 0 < width < math.inf):
        raise ImageError(
            f"'{path}' has an impossible window (VOILUTFunction {function}, WindowCenter {centre:g}, WindowWidth "
            f"{width:g}): correct or remove these attributes."
        )
    return WINDOWS[function](values, centre, width)


def _value_range(dataset: Dataset) -> tuple[float, float]:
    """The lowest and highest value that the file's own format allows after the modality LUT."""
    if dataset.get("ModalityLUTSequence"):
        return 0.0, 2.0 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    span = 2.0 ** int(dataset.BitsStored)
    lowest = -span / 2 if dataset.PixelRepresentation else 0.0
    ends = np.array([lowest, lowest + span - 1])
    if "RescaleSlope" in dataset and "RescaleIntercept" in dataset:  # one without the other rescales nothing
        ends = ends * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    return float(ends.min()), float(ends.max())
