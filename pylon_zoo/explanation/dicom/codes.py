"""Coded words: those of the standard where it has them, and a scheme of our own for the classes of checkpoints.

What a class means was decided by the labels it was learnt from; a code of SNOMED CT would claim to know that.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from pydicom.sr.coding import Code

SCHEME = "99PYLONZOO"
SHORT, LONG = 16, 64
"""Characters that a code value (SH) and a meaning (LO) may have."""


def label_code(label: str) -> Code:
    """A class as a code: the label itself where it is short and plain, else the start of its SHA-256.

    Args:
        label: any text.

    Example:
        >>> label_code("Nodule").value, label_code("Pleural thickening, left").value
        ('Nodule', 'C837C423A752CEC5')
    """
    from pydicom.sr.coding import Code

    plain = re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9 _.+-]{{0,{SHORT - 1}}}", label) and not label.endswith(" ")
    value = label if plain else sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:SHORT].upper()
    return Code(value, SCHEME, long_string(label, "class"))


def threshold_code() -> Code:
    """The name of the certainty from which on a class counts as found."""
    from pydicom.sr.coding import Code

    return Code("THRESHOLD", SCHEME, "Certainty from which on a finding counts as found")


def scheme_item() -> CodingSchemeIdentificationItem:
    """What `SCHEME` is, for readers of the objects."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return CodingSchemeIdentificationItem(SCHEME, name="Classes of models, by the names their makers gave them")


def long_string(text: str, empty: str) -> str:
    r"""Text as a DICOM LO: no control characters, no backslash, no blanks at the ends, at most `LONG` characters.

    Args:
        text: any.
        empty: what to say where nothing is left of it.

    Example:
        >>> long_string(" left\\right ", "class")
        'left/right'
    """
    text = text.encode("utf-8", "replace").decode().replace("\\", "/")
    printed = "".join(" " if unicodedata.category(char).startswith("C") else char for char in text)
    return printed.strip()[:LONG].strip() or empty
