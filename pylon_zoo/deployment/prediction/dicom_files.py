"""DICOM objects of every image that is a DICOM file, beside the table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pylon_zoo.deployment.prediction.loading import Loaded
from pylon_zoo.errors import ConfigError, PylonZooError, UnknownNameError, suggest
from pylon_zoo.explanation.dicom.source import EXTRA
from pylon_zoo.explanation.dicom.writing import KINDS
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.files import make_folder
from pylon_zoo.optional import require
from pylon_zoo.remote import is_remote

NEED_PIXELS = frozenset({"capture"})
"""Kinds that show the image, whose pixels are gone when its prediction is written."""
PREDICTED = tuple(kind for kind in KINDS if kind not in NEED_PIXELS)


class DicomFiles(NamedTuple):
    """Where objects go, and which.

    Attributes:
        folder: made as needed; a folder in it for every part of the result, and in that one for every image.
        kinds: of `PREDICTED`.
        model_name: what objects call the model.
        when: their date and time.
    """

    folder: Path
    kinds: tuple[str, ...]
    model_name: str
    when: datetime

    @classmethod
    def chosen(cls, folder: str | Path | None, kinds: Iterable[str], model_name: str) -> DicomFiles | None:
        """What was asked for; None without a folder.

        Raises:
            ConfigError: a kind that needs pixels, or a folder that cannot be one, as an address cannot.
            UnknownNameError: no such kind.
            MissingDependencyError: highdicom is not installed.
        """
        if folder is None:
            return None
        if is_remote(folder):
            raise ConfigError(f"--dicom-dir {folder} is an address: give a folder of this machine, and copy it then.")
        require("highdicom", extra=EXTRA)
        kinds = tuple(kinds)
        for kind in kinds:
            if kind in NEED_PIXELS:
                raise ConfigError(
                    f"dicom_kinds={kind!r} shows the image, which is gone when predictions are written: choose among "
                    f"{', '.join(PREDICTED)}, or use pylon-zoo explain --format dicom."
                )
            if kind not in PREDICTED:
                known = ", ".join(PREDICTED)
                raise UnknownNameError(f"dicom_kinds={kind!r} is not one of {known}.{suggest(kind, PREDICTED)}")
        return cls(make_folder(folder, "--dicom-dir"), kinds, model_name, datetime.now())

    def write(self, explanation: Explanation, loaded: Loaded, part: int) -> dict[str, Any]:
        """Write the objects of one image: maps of the classes with a box, regions, report.

        Args:
            explanation: of the image.
            loaded: the image, with its identity or why it has none.
            part: its part.

        Returns:
            The columns `dicom`, files from `folder`, and `dicom_error`, why there are none.
        """
        if loaded.identity is None:
            return {"dicom": [], "dicom_error": loaded.no_identity}
        labels = [finding.label for finding in explanation.top() if finding.boxes]
        try:
            files = explanation.to_dicom(
                self.folder / f"{part:05d}" / f"{loaded.number:08d}",
                model_name=self.model_name,
                source=loaded.identity,
                labels=labels,
                kinds=self.kinds,
                when=self.when,
            )
        except PylonZooError as error:
            return {"dicom": [], "dicom_error": str(error)}
        return {"dicom": [file.relative_to(self.folder).as_posix() for file in files], "dicom_error": None}
