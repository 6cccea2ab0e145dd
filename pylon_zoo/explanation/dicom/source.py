"""The DICOM file that was explained, as far as results speak of it: whose it is, and where its pixels lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pylon_zoo.data.dicom import NamedBytes, check_kind
from pylon_zoo.data.images import HEAD_BYTES, is_dicom
from pylon_zoo.errors import ImageError
from pylon_zoo.optional import require

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXTRA = "dicom-out"
IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
"""Without these a result can neither belong to a study nor say which image it is about."""
KNOWN_OR_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes of every object (type 2) that are empty where nobody knows them."""
SEXES = ("M", "F", "O")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "IconImageSequence")
OVERLAYS = range(0x6000, 0x6100)
PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
"""What together puts a slice into the patient; a radiograph has none of it but, at times, a spacing."""


@dataclass(frozen=True)
class Source:
    """A DICOM image without its pixels.

    Attributes:
        path: how messages name it.
        dataset: its attributes, those of `IDENTITY` and `KNOWN_OR_EMPTY` all there, text decoded.
    """

    path: str
    dataset: Dataset

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.dataset.Rows), int(self.dataset.Columns)


def read_source(path: str | Path | NamedBytes) -> Source:
    """The identity and geometry of a DICOM image (needs the extra `[dicom-out]`).

    Attributes that a result must have and the file lacks are left empty, and so are dates, times and a sex that are not
    written as the standard wants them. Private attributes are dropped.

    Args:
        path: the file, or its bytes.

    Returns:
        What results are made with.

    Raises:
        ImageError: no DICOM file, none of a single grey image, or one without the UIDs of `IDENTITY`.
        MissingDependencyError: highdicom is not installed.
    """
    pydicom = require("pydicom", extra=EXTRA)
    require("highdicom", extra=EXTRA)
    _check_dicom(path)
    try:
        dataset = pydicom.dcmread(path, force=True)
        check_kind(dataset, path)
        dataset.decode()  # now, while it is known which character set each text is in
        _drop_what_is_not_needed(dataset)
        _complete(dataset)
    except ImageError:
        raise
    except Exception as error:  # pydicom fails in many ways on foreign bytes
        reason = " ".join(str(error).split())
        raise ImageError(f"'{path}' is not a DICOM that can be read ({reason}): copy or export it again.") from error
    _check_identity(dataset, path)
    return Source(str(path), dataset)


def _check_dicom(path: str | Path | NamedBytes) -> None:
    if isinstance(path, NamedBytes):
        head = path.getvalue()[:HEAD_BYTES]
    else:
        try:
            with Path(path).open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            raise ImageError(f"'{path}' cannot be opened: {error.strerror or error}.") from error
    if not is_dicom(str(path), head):
        raise no_dicom(path)


def no_dicom(path: str | Path | NamedBytes) -> ImageError:
    """The error for an image of any other kind."""
    return ImageError(
        f"'{path}' is no DICOM file, so it names no patient and study that DICOM results could belong to: give the "
        "DICOM file that it was made of."
    )


def _drop_what_is_not_needed(dataset: Dataset) -> None:
    dataset.remove_private_tags()
    for keyword in PIXELS:
        if keyword in dataset:
            delattr(dataset, keyword)
    for tag in [tag for tag in dataset.keys() if tag.group in OVERLAYS]:  # noqa: SIM118 (iterating gives elements)
        del dataset[tag]
    if "SharedFunctionalGroupsSequence" not in dataset and "NumberOfFrames" in dataset:
        del dataset.NumberOfFrames  # 1, and a single-frame image in all else
    if "ImagePositionPatient" in dataset and not all(dataset.get(keyword) for keyword in PLACE):
        del dataset.ImagePositionPatient  # without the rest it puts nothing anywhere


def _complete(dataset: Dataset) -> None:
    for keyword in (*KNOWN_OR_EMPTY, "SliceThickness"):
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    valuerep = require("pydicom.valuerep", extra=EXTRA)
    for keyword, read in (("PatientBirthDate", valuerep.DA), ("StudyDate", valuerep.DA), ("StudyTime", valuerep.TM)):
        if not _can_be_read(dataset[keyword].value, read):
            setattr(dataset, keyword, None)
    if dataset.PatientSex not in SEXES:
        dataset.PatientSex = None


def _can_be_read(value: Any, read: Callable[[Any], Any]) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def _check_identity(dataset: Dataset, path: str | Path | NamedBytes) -> None:
    uid = require("pydicom.uid", extra=EXTRA)
    missing = [keyword for keyword in IDENTITY if not uid.UID(dataset.get(keyword) or "").is_valid]
    if missing:
        raise ImageError(
            f"'{path}' has no valid {', '.join(missing)}, so DICOM results could not say what they are about: give the "
            "file as it came from the archive."
        )
    if dataset.SOPClassUID.type != "SOP Class":
        raise ImageError(
            f"'{path}' is of the SOP class {dataset.SOPClassUID}, which the DICOM standard does not know, so results "
            "cannot refer to it: export it as an image of a standard class."
        )
