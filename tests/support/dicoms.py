"""Small DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def write_dicom(path: Path, pixels: np.ndarray, **attributes: Any) -> Path:
    """A radiograph of uint8 (H, W), with other attributes where they are given; skips where there is no pydicom."""
    pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom]")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
