"""Regions that reach the threshold as a Segmentation: a segment for each class that has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pylon_zoo._version import __version__
from pylon_zoo.explanation.dicom.codes import label_code, long_string, scheme_item
from pylon_zoo.explanation.dicom.job import NOTICE, Job

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def segmentations(job: Job) -> Iterator[tuple[str, Dataset]]:
    """One binary Segmentation of all classes with a region, at the size of the source; nothing where none has one.

    A pixel belongs to a segment where the class's map reaches its threshold: boxes of the report lie around its parts.

    Yields:
        File name without folder, object.
    """
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes

    explanation = job.explanation
    labels = [label for label in explanation.labels if explanation.finding(label).boxes]
    if not labels:
        return
    levels = [explanation.level(label) for label in labels]
    maps = [explanation.probability_map(label).numpy() for label in labels]
    masks = np.stack([values >= level for values, level in zip(maps, levels, strict=True)], axis=-1)
    algorithm = AlgorithmIdentificationSequence(
        long_string(job.model_name, "model"), codes.DCM.ArtificialIntelligence, __version__
    )
    descriptions = []
    for number, (label, level) in enumerate(zip(labels, levels, strict=True), start=1):
        description = SegmentDescription(
            segment_number=number,
            segment_label=long_string(label, "class"),
            segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
            segmented_property_type=label_code(label),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_id=long_string(label, "class"),
            tracking_uid=job.uid("finding", label),
        )
        description.SegmentDescription = f"{NOTICE}. Where the map reaches {level:g}."
        descriptions.append(description)
    dataset = Segmentation(
        [job.source.dataset],
        masks[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        content_label="REGIONS",
        content_description=NOTICE,
        coding_schemes=[scheme_item()],
        **job.common("segmentation", 0, *labels, *map(str, levels), np.packbits(masks).tobytes()),
    )
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if "PlaneOrientationSequence" not in shared and "PixelMeasuresSequence" in shared:
        del shared.PixelMeasuresSequence  # highdicom reads none without a thickness; the source, pixel by pixel, has it
    yield "segmentation.dcm", dataset
