"""What was found as a structured report (TID 1500 in a Comprehensive SR): certainties, peaks and boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pylon_zoo._version import __version__
from pylon_zoo.explanation.dicom.codes import label_code, long_string, scheme_item, threshold_code
from pylon_zoo.explanation.dicom.job import MANUFACTURER, NOTICE, Job
from pylon_zoo.explanation.dicom.uids import derived_uid
from pylon_zoo.explanation.explained import Explained
from pylon_zoo.explanation.finding import Finding
from pylon_zoo.explanation.peaks import Box, Point

if TYPE_CHECKING:
    from highdicom.sr import (
        AlgorithmIdentification,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.dataset import Dataset
    from pydicom.sr.coding import Code

DEVICE = derived_uid(MANUFACTURER, __version__)


def peak_coordinates(peak: Point) -> np.ndarray:
    """The centre of a pixel as an SCOORD has it: (1, 2), column and row, from the top left corner of the image.

    Example:
        >>> peak_coordinates(Point(x=3, y=0)).tolist()
        [[3.5, 0.5]]
    """
    return np.array([[peak.x + 0.5, peak.y + 0.5]])


def box_coordinates(box: Box) -> np.ndarray:
    """The outline of a box of pixels as a closed SCOORD polyline: (5, 2), column and row, around the pixels.

    Example:
        >>> box_coordinates(Box(10, 5, 14, 9)).tolist()
        [[10.0, 5.0], [15.0, 5.0], [15.0, 10.0], [10.0, 10.0], [10.0, 5.0]]
    """
    left, top, right, bottom = box.x0, box.y0, box.x1 + 1, box.y1 + 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], dtype=np.float64)


def reports(job: Job) -> Iterator[tuple[str, Dataset]]:
    """One report of all classes.

    For each class, the most probable first: a measurement group with its certainty in percent, inferred from the point
    where its map is highest, and its threshold; then a group for each of its boxes, with the highest value inside.

    Yields:
        File name without folder, object.
    """
    from highdicom.sr import (
        AlgorithmIdentification,
        ComprehensiveSR,
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentification(
        name=long_string(job.model_name, "model"), version=__version__, parameters=[NOTICE]
    )
    groups: list[MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations] = []
    facts = []
    for finding in job.explanation.top():
        highest = _highest(job.explanation, finding)
        groups.append(_class_group(job, finding, algorithm))
        groups += [_box_group(job, finding, place, value, algorithm) for place, value in enumerate(highest)]
        facts.append((finding.label, finding.probability, finding.threshold, finding.peak, finding.boxes, highest))
    observer = DeviceObserverIdentifyingAttributes(
        uid=DEVICE, name=f"{MANUFACTURER} ({NOTICE.lower()})", manufacturer_name=MANUFACTURER, model_name=job.model_name
    )
    content = MeasurementReport(
        observation_context=ObservationContext(ObserverContext(codes.DCM.Device, observer)),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    _add_notice(content[0])
    dataset = ComprehensiveSR(
        evidence=[job.source.dataset],
        content=content,
        is_complete=True,
        coding_schemes=[scheme_item()],
        **job.common("report", 0, json.dumps(facts)),
    )
    yield "report.dcm", dataset


def _class_group(
    job: Job, finding: Finding, algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        CoordinatesForMeasurement,
        GraphicTypeValues,
        MeasurementsAndQualitativeEvaluations,
        SourceImageForMeasurementGroup,
        SourceImageForRegion,
        TrackingIdentifier,
    )
    from pydicom.sr.codedict import codes

    source = job.source.dataset
    peak = CoordinatesForMeasurement(
        GraphicTypeValues.POINT, peak_coordinates(finding.peak), SourceImageForRegion.from_source_image(source)
    )
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(job.uid("finding", finding.label), finding.label),
        finding_type=label_code(finding.label),
        algorithm_id=algorithm,
        measurements=[
            _percent(codes.DCM.CertaintyOfFinding, finding.probability, [peak]),
            _percent(threshold_code(), finding.threshold),
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(source)],
    )


def _box_group(
    job: Job, finding: Finding, place: int, highest: float, algorithm: AlgorithmIdentification
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        GraphicTypeValues,
        ImageRegion,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        SourceImageForRegion,
        TrackingIdentifier,
    )
    from pydicom.sr.codedict import codes

    box = finding.boxes[place]
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            job.uid("box", finding.label, str(place), str(tuple(box))), f"{finding.label} {place + 1}"
        ),
        referenced_region=ImageRegion(
            GraphicTypeValues.POLYLINE,
            box_coordinates(box),
            SourceImageForRegion.from_source_image(job.source.dataset),
        ),
        finding_type=label_code(finding.label),
        algorithm_id=algorithm,
        measurements=[_percent(codes.DCM.CertaintyOfFinding, highest)],
    )


def _percent(name: Code, share: float, coordinates: list[Any] | None = None) -> Measurement:
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    return Measurement(name, 100 * share, codes.UCUM.Percent, referenced_coordinates=coordinates)


def _add_notice(root: Dataset) -> None:
    """TID 1500 takes texts among its qualitative evaluations."""
    from highdicom.sr import ContainerContentItem, ContentSequence, RelationshipTypeValues, TextContentItem
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    container = ContainerContentItem(
        Code("C0034375", "UMLS", "Qualitative Evaluations"), relationship_type=RelationshipTypeValues.CONTAINS
    )
    text = TextContentItem(
        codes.DCM.Comment, f"{NOTICE}. Certainties are not calibrated.", RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence([text])
    root.ContentSequence.append(container)


def _highest(explanation: Explained, finding: Finding) -> list[float]:
    """The highest value of the class's map inside each of its boxes."""
    if not finding.boxes:
        return []
    shown = explanation.probability_map(finding.label)
    return [float(shown[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1].max()) for box in finding.boxes]
