"""The 14 observations that the CheXpert labeller writes (Irvin et al., AAAI 2019), in CheXpert and in MIMIC-CXR."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pylon_zoo.data.labels import uncertain_value
from pylon_zoo.errors import DataError, UnknownNameError, suggest

NO_FINDING = "No Finding"
CLASSES = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
BLANK = {"zeros": 0.0, "ignore": math.nan}
"""What becomes of a finding that the report does not mention."""
VIEWS = ("frontal", "lateral", "all")


class Values:
    """What stands in the table → what it means.

    Args:
        uncertain: what -1 becomes: `"ones"`, `"zeros"` or `"ignore"` (NaN).
        blank: what an empty field becomes: `"zeros"` or `"ignore"`.

    Raises:
        UnknownNameError: another policy.

    Example:
        >>> Values("ones", "zeros").read("here", CLASSES[:3], ["1.0", "-1", ""])
        [1.0, 1.0, 0.0]
    """

    def __init__(self, uncertain: str, blank: str) -> None:
        if blank not in BLANK:
            raise UnknownNameError(f"Unknown policy blank='{blank}': one of {', '.join(BLANK)}.{suggest(blank, BLANK)}")
        doubt = uncertain_value(uncertain)
        self._of = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": doubt, "-1.0": doubt, "": BLANK[blank]}

    def read(self, where: str, names: Sequence[str], texts: Sequence[str]) -> list[float]:
        """The values of some columns of a row.

        Raises:
            DataError: a field is none of 1, 0, -1 and nothing.
        """
        try:
            return [self._of[text] for text in texts]
        except KeyError:
            name, text = next(pair for pair in zip(names, texts, strict=True) if pair[1] not in self._of)
            raise DataError(
                f"{where} has '{text}' in the column '{name}': it must be 1, 0, -1 (uncertain) or empty."
            ) from None


def check_views(views: str) -> str:
    """One of `VIEWS`, as it was given.

    Raises:
        UnknownNameError: another.
    """
    if views not in VIEWS:
        raise UnknownNameError(f"Unknown views '{views}': one of {', '.join(VIEWS)}.{suggest(views, VIEWS)}")
    return views
