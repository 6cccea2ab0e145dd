"""DICOM radiographs with a patient and a study, as an archive would have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

IDENTITY = {
    "PatientName": "Müller^Jörg",
    "PatientID": "P-17",
    "PatientBirthDate": "19500203",
    "PatientSex": "M",
    "StudyDate": "20200304",
    "StudyTime": "101112",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "ReferringPhysicianName": "House^Gregory",
    "StudyDescription": "Chest PA",
}


def noise(seed: int = 0, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """Stored values of 12 bits; `size` is (H, W)."""
    return np.random.default_rng(seed).integers(0, 4096, size, dtype=np.uint16)


def write_radiograph(path: Path, stored: np.ndarray | None = None, **attributes: Any) -> Path:
    """A digital radiograph.

    Args:
        path: the file.
        stored: (H, W) of 12 bits; None is noise.
        attributes: to set besides, or instead; None removes one.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    stored = noise() if stored is None else stored
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "DX", 2, 1
    dataset.PatientOrientation, dataset.PixelSpacing, dataset.BodyPartExamined = ["L", "F"], [0.2, 0.1], "CHEST"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in {**IDENTITY, **attributes}.items():
        if value is not None:
            setattr(dataset, name, value)
        elif name in dataset:
            delattr(dataset, name)
    whole = "SOPInstanceUID" in dataset and "SOPClassUID" in dataset
    dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=whole)
    return path
