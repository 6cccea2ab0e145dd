"""From an explanation of a DICOM image to files that can be sent where the image came from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pylon_zoo.data.dicom import NamedBytes
from pylon_zoo.errors import ImageError, PylonZooError, UnknownNameError, suggest
from pylon_zoo.explanation.dicom.capture import captures
from pylon_zoo.explanation.dicom.job import Job
from pylon_zoo.explanation.dicom.maps import parametric_maps
from pylon_zoo.explanation.dicom.report import reports
from pylon_zoo.explanation.dicom.segmentation import segmentations
from pylon_zoo.explanation.dicom.source import Source, read_source
from pylon_zoo.explanation.dicom.uids import derived_uid
from pylon_zoo.explanation.explained import Explained
from pylon_zoo.files import make_folder, replacing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TOP = 3
ANATOMY = ("BodyPartExamined", "Laterality", "ImageLaterality")
ODD_NAME = "The string .* is unlikely to represent the intended person name"
"""What highdicom warns of where a patient has one name only, as the anonymous have."""
KINDS: Mapping[str, Callable[[Job], Iterator[tuple[str, Dataset]]]] = {
    "map": parametric_maps,
    "segmentation": segmentations,
    "capture": captures,
    "report": reports,
}
"""Kind of object → what makes those of one image."""


def write_dicom(
    explanation: Explained,
    folder: str | Path,
    *,
    model_name: str,
    source: str | Path | NamedBytes | Source | None = None,
    labels: Iterable[str] | None = None,
    kinds: Iterable[str] = tuple(KINDS),
    when: datetime | None = None,
) -> list[Path]:
    """Write DICOM objects of one explanation; what `Explanation.to_dicom` does.

    Args, Returns, Raises: see there.
    """
    job = _job(explanation, source, model_name, labels, when)
    makers = [_maker(kind) for kind in kinds]
    folder = make_folder(folder, "folder")
    written: list[Path] = []
    try:
        for maker in makers:
            for name, dataset in _made(maker, job):
                with _blaming(job.source), replacing(folder / name) as temporary:
                    _finish(dataset, job)
                    dataset.save_as(temporary, enforce_file_format=True)
                written.append(folder / name)
    except PylonZooError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _job(
    explanation: Explained,
    source: str | Path | NamedBytes | Source | None,
    model_name: str,
    labels: Iterable[str] | None,
    when: datetime | None,
) -> Job:
    if source is None:
        if not explanation.path:
            raise ImageError("The image came from memory, so say with source= which DICOM file it is of.")
        source = explanation.path
    found = source if isinstance(source, Source) else read_source(source)
    size = (explanation.height, explanation.width)
    if size != found.size:
        raise ImageError(
            f"'{found.path}' has {found.size[1]}x{found.size[0]} pixels and the explanation is of {size[1]}x{size[0]}: "
            "give the file that was explained."
        )
    chosen = [finding.label for finding in explanation.top(TOP)] if labels is None else list(labels)
    for label in chosen:
        explanation.finding(label)  # raises for one that is not there
    return Job(explanation, found, model_name, chosen, when or datetime.now())


def _finish(dataset: Dataset, job: Job) -> None:
    """What highdicom leaves out, or makes anew each time."""
    source = job.source.dataset
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = job.when.date(), job.when.time()
    for item in dataset.get("ContributingEquipmentSequence", ()):
        if item.Manufacturer != source.get("Manufacturer"):
            item.ContributionDateTime = job.when
    if "DimensionOrganizationSequence" in dataset:
        uid = derived_uid(dataset.SOPInstanceUID, "dimensions")
        for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
            item.DimensionOrganizationUID = uid
    if "ImageType" in dataset:
        _say_what_is_shown(dataset, source)


def _say_what_is_shown(dataset: Dataset, source: Dataset) -> None:
    """The source's orientation, body part and side."""
    dataset.PatientOrientation = source.get("PatientOrientation")  # empty where unknown
    known = [keyword for keyword in ANATOMY if source.get(keyword)]
    for keyword in known:
        setattr(dataset, keyword, source.get(keyword))
    if not known and dataset.Modality != "SEG":  # whose segments say it
        dataset.Laterality = None  # as the standard writes that nobody knows


def _maker(kind: str) -> Callable[[Job], Iterator[tuple[str, Dataset]]]:
    if kind not in KINDS:
        raise UnknownNameError(f"kinds={kind!r} is not one of {', '.join(KINDS)}.{suggest(kind, KINDS)}")
    return KINDS[kind]


def _made(maker: Callable[[Job], Iterator[tuple[str, Dataset]]], job: Job) -> Iterator[tuple[str, Dataset]]:
    """What it makes, without highdicom's doubts about names."""
    objects = maker(job)
    while True:
        with _blaming(job.source), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ODD_NAME)
            made = next(objects, None)
        if made is None:
            return
        yield made


@contextmanager
def _blaming(source: Source) -> Iterator[None]:
    """Whatever highdicom and pydicom say against a source becomes one sentence."""
    try:
        yield
    except (PylonZooError, OSError):
        raise
    except Exception as error:  # in many ways, by what a file's writer understood differently
        reason = " ".join(str(error).split())
        raise ImageError(
            f"'{source.path}' has attributes that no DICOM result can be made with ({reason}): correct them, or export "
            "the image again."
        ) from error
