"""Overlays as Secondary Captures: pictures that every viewer shows, with the notice in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pylon_zoo.explanation.caption import add_notice
from pylon_zoo.explanation.dicom.codes import long_string
from pylon_zoo.explanation.dicom.job import NOTICE, Job
from pylon_zoo.explanation.names import slug

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def captures(job: Job) -> Iterator[tuple[str, Dataset]]:
    """A Secondary Capture of the overlay of each class of the job: RGB, as `Explanation.overlay` draws it.

    Yields:
        File name without folder, object.
    """
    from highdicom.sc import SCImage
    from pydicom.dataset import Dataset

    source = job.source.dataset
    for place, label in enumerate(job.labels):
        picture = np.asarray(add_notice(job.explanation.overlay(label), NOTICE))
        dataset = SCImage.from_ref_dataset(
            source,
            picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "F"),  # must be given; the source's own, if it has one, comes later
            **job.common("capture", place, label, picture.tobytes()),
        )
        dataset.copy_patient_and_study_information(source)
        dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
        dataset.BurnedInAnnotation = source.get("BurnedInAnnotation") or "NO"  # text of the source would be here too
        dataset.DerivationDescription = f"Heatmap of {long_string(label, 'class')!r} over the source"
        dataset.ImageComments = f"{NOTICE}."
        reference = Dataset()
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
        dataset.SourceImageSequence = [reference]
        yield f"capture_{place + 1}_{slug(label, 'label')}.dcm", dataset
