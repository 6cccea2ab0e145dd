"""What an XML file in Pascal VOC's format says of one image (Everingham et al., IJCV 2010)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, parse

from pylon_zoo.data.records import check_corners
from pylon_zoo.errors import DataError


def read_annotation(path: Path) -> dict[str, Any]:
    """What torchvision's own parser makes of the file: tag → text, table, or list of them.

    Raises:
        DataError: the file is no XML, or has no `<annotation>`.
    """
    from torchvision.datasets import VOCDetection

    try:
        root = parse(path).getroot()  # expat refuses entities that grow without end
        annotation = VOCDetection.parse_voc_xml(root).get("annotation")
    except (ParseError, UnicodeDecodeError, LookupError, RecursionError, ValueError) as error:
        raise DataError(f"'{path}' is not XML ({error}): copy it again.") from error
    if not isinstance(annotation, dict):
        raise DataError(f"'{path}' has no <annotation> with anything in it: copy it again.")
    return annotation


def annotation_size(path: Path, annotation: dict[str, Any]) -> tuple[int, int]:
    """Height and width of the image that the boxes were drawn on.

    Raises:
        DataError: they are not two whole numbers above 0.
    """
    try:
        size = annotation["size"]
        height, width = int(size["height"]), int(size["width"])
    except (KeyError, TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise DataError(f"'{path}' has no <size> with a <width> and a <height> above 0: copy the file again.")
    return height, width


def object_corners(where: str, one: dict[str, Any], size: tuple[int, int]) -> list[float]:
    """x0, y0, x1, y1 of an object, from edge to edge: the file counts pixels from 1 and includes the last one.

    Args:
        where: the file and object, for the message.
        one: the object's table.
        size: height and width of the image.

    Raises:
        DataError: no box, two, or one that is not on the image.
    """
    box = one.get("bndbox")
    if not isinstance(box, dict):
        raise DataError(f"{where} has {'no' if box is None else 'more than one'} <bndbox>: give it one.")
    texts: list[Any] = [box.get(key) for key in ("xmin", "ymin", "xmax", "ymax")]
    try:  # some of VOC2012's are written with decimals
        x0, y0, x1, y1 = (float(text) for text in texts)
    except (TypeError, ValueError):
        return check_corners(where, texts, size)  # which says why it is none
    return check_corners(where, [x0 - 1, y0 - 1, x1, y1], size)


def is_difficult(where: str, one: dict[str, Any]) -> bool:
    """Whether an object is marked as difficult.

    Raises:
        DataError: the flag is neither 0 nor 1.
    """
    flag: str = one.get("difficult", "0")
    if flag not in ("0", "1"):
        raise DataError(f"{where} has <difficult> '{flag}': it must be 0 or 1.")
    return flag == "1"
