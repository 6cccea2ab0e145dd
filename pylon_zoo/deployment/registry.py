"""Names → formats of exported files: a format is one `Format` and one line in `FORMATS`; names come without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pylon_zoo.errors import UnknownNameError, suggest
from pylon_zoo.lazy import LateTable, late

if TYPE_CHECKING:
    from pylon_zoo.deployment.formats import Format

FORMATS: LateTable[Format] = LateTable(
    {
        "onnx": late("pylon_zoo.deployment.formats:ONNX"),
        "torch_export": late("pylon_zoo.deployment.formats:TORCH_EXPORT"),
        "torchscript": late("pylon_zoo.deployment.formats:TORCHSCRIPT"),
    }
)


def check_format(name: str) -> None:
    """Refuse what is no key of `FORMATS`.

    Raises:
        UnknownNameError: names the nearest.
    """
    if name not in FORMATS:
        raise UnknownNameError(f"Unknown format {name!r}.{suggest(name, FORMATS)} There are {', '.join(FORMATS)}.")
