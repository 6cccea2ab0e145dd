"""A class's map as a Parametric Map: a float for every pixel of the source, so that one lies over the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from pylon_zoo.explanation.dicom.codes import long_string
from pylon_zoo.explanation.dicom.job import NOTICE, Job
from pylon_zoo.explanation.dicom.uids import derived_uid
from pylon_zoo.explanation.names import slug

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DIRECTIONS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
"""The patient's directions, by the letters of PatientOrientation: left, right, posterior, anterior, head, feet."""


def parametric_maps(job: Job) -> Iterator[tuple[str, Dataset]]:
    """A Parametric Map for each class of the job.

    Its values are those of `Explanation.probability_map`: float32 in [0, 1] at the size of the source, which regions
    and boxes are cut from. Radiographs have no coordinates but their pixels, so only a map of the same rows and columns
    is sure to lie where it belongs; how coarse it really is, the comment says.

    Yields:
        File name without folder, object.
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from pydicom.sr.codedict import codes

    relevance = job.explanation.unit == "relevance"
    quantity = codes.DCM.Saliency if relevance else codes.DCM.ClassActivation
    says = "share of the map's maximum" if relevance else "probability if this place alone decided"
    placed = _placed(job.source.dataset)
    for place, label in enumerate(job.labels):
        values = job.explanation.probability_map(label).numpy()
        mapping = RealWorldValueMapping(
            lut_label="MAP",
            lut_explanation=long_string(f"{label}: {says}", says),
            unit=codes.UCUM.NoUnits,
            value_range=(0.0, 1.0),
            quantity_definition=quantity,
        )
        dataset = ParametricMap(
            [placed],
            values,
            real_world_value_mappings=[mapping],
            voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
            contains_recognizable_visual_features=False,
            content_label=_code_string(label),
            content_description=long_string(label, "class"),
            **job.common("map", place, label, says, job.explanation.resolution, values.tobytes()),
        )
        if placed is not job.source.dataset:
            del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices  # of one
        dataset.ImageComments = f"{NOTICE}. {says.capitalize()}; {job.explanation.resolution} cells, interpolated."
        yield f"map_{place + 1}_{slug(label, 'label')}.dcm", dataset


def _placed(source: Dataset) -> Dataset:
    """The source with a place in space, which every Parametric Map must have and no radiograph has.

    A source without gets a frame of reference of its own, shared by nothing but its maps: its origin is the first
    pixel's centre, its axes follow PatientOrientation where that is known, and a pixel is as large as the source says,
    or 1 mm.
    """
    if source.get("FrameOfReferenceUID") and ("ImagePositionPatient" in source or "NumberOfFrames" in source):
        return source
    placed = deepcopy(source)
    placed.FrameOfReferenceUID = derived_uid(source.SOPInstanceUID, "frame of reference")
    placed.PositionReferenceIndicator = None
    placed.ImagePositionPatient = [0, 0, 0]
    placed.ImageOrientationPatient = _orientation(source.get("PatientOrientation"))
    placed.PixelSpacing = source.get("PixelSpacing") or source.get("ImagerPixelSpacing") or [1, 1]
    placed.SliceThickness = None
    return placed


def _orientation(words: Sequence[str] | None) -> list[int]:
    """Directions of rows and columns, from what PatientOrientation says of both."""
    first = [word[:1] for word in words or ()]
    if len(first) == 2 and all(word in DIRECTIONS for word in first):
        row, column = (DIRECTIONS[word] for word in first)
        if not any(a and b for a, b in zip(row, column, strict=True)):
            return [*row, *column]
    return [*DIRECTIONS["L"], *DIRECTIONS["P"]]


def _code_string(label: str) -> str:
    """The class as far as a CS of 16 characters can say it."""
    return re.sub(r"[^A-Z0-9]", "_", slug(label, "label").upper())[:16]
