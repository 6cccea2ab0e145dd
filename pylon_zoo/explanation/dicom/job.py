"""One explanation on its way into DICOM objects, and what all of them say alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.explanation.dicom.codes import long_string
from pylon_zoo.explanation.dicom.source import Source
from pylon_zoo.explanation.dicom.uids import derived_uid
from pylon_zoo.explanation.explained import Explained

NOTICE = "Research use only, not for diagnosis"
MANUFACTURER = "pylon_zoo"
SERIES = {"map": (1, "Heatmaps"), "segmentation": (2, "Regions"), "capture": (3, "Overlays"), "report": (4, "Report")}
"""Kind → the last two digits of its series number, and what the series is called."""
LARGEST = 2**31 - 1  # of an IS


@dataclass(frozen=True)
class Job:
    """What there is to write.

    Attributes:
        explanation: of the source.
        source: the image that was explained.
        model_name: what objects call the model.
        labels: classes whose maps and overlays are written, in this order.
        when: date and time of the objects.
    """

    explanation: Explained
    source: Source
    model_name: str
    labels: Sequence[str]
    when: datetime

    def uid(self, kind: str, *content: str | bytes) -> str:
        """The UID of something in an object of this kind, by what it holds."""
        return derived_uid(self.source.dataset.SOPInstanceUID, self.model_name, __version__, kind, *content)

    def common(self, kind: str, place: int, *content: str | bytes) -> dict[str, Any]:
        """Arguments that highdicom's constructors of all kinds take: series, instance, device, dates.

        Args:
            kind: a key of `SERIES`.
            place: of the object among those of its kind for this image, from 0.
            content: all that tells it from others of its kind for this image.
        """
        number, name = SERIES[kind]
        series = self.source.dataset.SeriesInstanceUID
        return {
            "series_instance_uid": derived_uid(series, self.model_name, __version__, kind),
            "series_number": _within(100 * _number(self.source, "SeriesNumber") + number),
            "series_description": f"{name} ({NOTICE.lower()})",
            "sop_instance_uid": self.uid(kind, *content),
            "instance_number": _within(100 * (_number(self.source, "InstanceNumber") - 1) + place + 1),
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": long_string(self.model_name, "model"),
            "software_versions": __version__,
            "device_serial_number": "none",
            "content_date": self.when.date(),
            "content_time": self.when.time(),
            "specific_character_set": "ISO_IR 192",
        }


def _number(source: Source, keyword: str) -> int:
    """A number of the source, 1 where it has none."""
    value = source.dataset.get(keyword)
    return max(int(value), 1) if value is not None else 1


def _within(number: int) -> int:
    return number if number <= LARGEST else number % LARGEST
