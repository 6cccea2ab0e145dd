"""What the table says of one image, and the types of its columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pylon_zoo.deployment.prediction.loading import Loaded
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.optional import require

if TYPE_CHECKING:
    import pyarrow

METADATA_KEY = b"pylon_zoo"
"""Where the file's schema metadata keeps, as JSON, what made it."""


def schema(labels: Sequence[str], heatmaps: bool, dicom: bool, metadata: Mapping[str, Any]) -> pyarrow.Schema:
    """The columns of the result.

    Args:
        labels: of the K classes predicted.
        heatmaps: whether heatmap files are written.
        dicom: whether DICOM objects are written.
        metadata: what made the table.

    Returns:
        `path`, `source`, `width`, `height`, `error`, then K each of `p_LABEL` (float32, probability), `x_LABEL` and
        `y_LABEL` (int32, the peak), then `boxes` and, if asked for, `heatmaps`, and `dicom` with `dicom_error`.
    """
    pa = require("pyarrow", extra="predict")
    box = pa.struct(
        [
            ("label", pa.string()),
            *((corner, pa.int32()) for corner in ("x0", "y0", "x1", "y1")),
            ("score", pa.float32()),
        ]
    )
    file = pa.struct([("label", pa.string()), ("file", pa.string())])
    fields = [
        ("path", pa.string()),
        ("source", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("error", pa.string()),
        *((f"p_{label}", pa.float32()) for label in labels),
        *((f"{axis}_{label}", pa.int32()) for label in labels for axis in ("x", "y")),
        ("boxes", pa.list_(box)),
        *([("heatmaps", pa.list_(file))] if heatmaps else []),
        *([("dicom", pa.list_(pa.string())), ("dicom_error", pa.string())] if dicom else []),
    ]
    return pa.schema(fields, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()})


def failed_row(loaded: Loaded, error: str) -> dict[str, Any]:
    """The row of an image that could not be predicted: its name, its size if known, the error, and nulls."""
    height, width = loaded.size or (None, None)
    return {**_names(loaded), "width": width, "height": height, "error": printable(error)}


def row(loaded: Loaded, explanation: Explanation) -> dict[str, Any]:
    """The row of an image: what `pylon_zoo.explain` finds in it."""
    found: dict[str, Any] = {**_names(loaded), "width": explanation.width, "height": explanation.height}
    boxes = []
    for label in explanation.labels:
        finding = explanation.finding(label)
        found |= {f"p_{label}": finding.probability, f"x_{label}": finding.peak.x, f"y_{label}": finding.peak.y}
        if finding.boxes:
            shown = explanation.probability_map(label)
            for box in finding.boxes:
                score = float(shown[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1].max())
                boxes.append({"label": label, **box._asdict(), "score": score})
    return {**found, "boxes": boxes}


def printable(text: str) -> str:
    r"""Text that can be stored as UTF-8: bytes of a file name that are no UTF-8 become `\udc..`.

    Example:
        >>> printable("scan-\udcff.png")
        'scan-\\udcff.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def _names(loaded: Loaded) -> dict[str, Any]:
    return {"path": printable(loaded.key), "source": printable(loaded.source) or None}
