"""The tables of VinDr-CXR: what each radiologist says of each image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pylon_zoo.data.problems import row_problems
from pylon_zoo.data.records import check_corners
from pylon_zoo.data.tables import find_columns, pick, read_rows
from pylon_zoo.errors import DataError, suggest

CLASSES = (  # in the order of Kaggle's class_id
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
NO_FINDING = "No finding"
OTHER = CLASSES.index("Other lesion")
# Findings with boxes that PhysioNet's release names and Kaggle's does not.
OTHER_LESIONS = (
    "Clavicle fracture",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Rib fracture",
)
CLASS_INDEX = {name: index for index, name in enumerate((*CLASSES, NO_FINDING))} | dict.fromkeys(OTHER_LESIONS, OTHER)
CORNERS = ("x_min", "y_min", "x_max", "y_max")


@dataclass
class Reading:
    """One image as its radiologists read it.

    Args:
        findings: radiologist → the classes that one sees.
        clear: radiologist → whether that one says "No finding".
        boxes: class, x0, y0, x1, y1, in the order of the table.
        lines: rows of the boxes.
    """

    findings: dict[str, set[int]] = field(default_factory=dict)
    clear: dict[str, bool] = field(default_factory=dict)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The rows of the boxes, for messages."""
        return f"row{'s' * (len(self.lines) != 1)} {', '.join(map(str, self.lines))}"

    def note(self, radiologist: str, index: int) -> None:
        """Take down that a radiologist sees a class, or (`len(CLASSES)`) nothing."""
        findings = self.findings.setdefault(radiologist, set())
        self.clear.setdefault(radiologist, False)
        if index == len(CLASSES):
            self.clear[radiologist] = True
        else:
            findings.add(index)


def read_boxes(
    path: Path, sizes: dict[str, tuple[int, int]], labels: dict[str, Reading] | None = None
) -> dict[str, Reading]:
    """A table of boxes, one row for each box or "No finding" of a radiologist.

    Args:
        path: the table.
        sizes: image → height and width that its boxes are measured in, where they are known.
        labels: what `read_labels` gave, which then says what is present; None derives it from the boxes.

    Returns:
        Image → what is said of it.

    Raises:
        DataError: a malformed row, one that another contradicts, or an image that `labels` lacks. A row that is there
            twice counts once.
    """
    rows = read_rows(path)
    header = next(rows)[1]
    columns = find_columns(path, header, ("image_id", "class_name", "rad_id", *CORNERS))
    id_column = header.index("class_id") if "class_id" in header else None
    readings: dict[str, Reading] = {} if labels is None else labels
    seen: set[tuple[object, ...]] = set()
    for line, cells in rows:
        with row_problems():
            image, name, radiologist, *corners = pick(path, line, cells, columns)
            where = f"'{path}' row {line}"
            index = _class_index(where, image, radiologist, name)
            if id_column is not None and pick(path, line, cells, [id_column])[0] != str(index):
                raise DataError(f"{where} has the class_id '{cells[id_column]}', but '{name}' is {index}: correct it.")
            if labels is not None and image not in labels:
                raise DataError(f"{where} has image '{image}', which the table of labels has no row for.")
            box = _box(where, index, corners, sizes.get(image))
            key = (image, radiologist, name, *box)
            if key in seen:
                continue  # the same reader's same box says nothing new
            seen.add(key)
            reading = readings.setdefault(image, Reading())
            _check_consistent(where, reading, radiologist, index, labels is not None)
            if labels is None:
                reading.note(radiologist, index)
            if box:
                reading.boxes.append((float(index), *box))
                reading.lines.append(line)
    if not readings:
        raise DataError(f"'{path}' has a header and no rows: copy it again.")
    return readings


def read_labels(path: Path) -> dict[str, Reading]:
    """PhysioNet's table of labels: one row for each image and radiologist, a column of 0 and 1 for each label.

    Raises:
        DataError: a missing column, a value other than 0 and 1, a repeated row, or one that contradicts itself.
    """
    rows = read_rows(path)
    header = next(rows)[1]
    names = [name for name in header if name in CLASS_INDEX]
    columns = find_columns(path, header, ("image_id", "rad_id", *CLASSES, NO_FINDING))[:2]
    columns += [header.index(name) for name in names]
    readings: dict[str, Reading] = {}
    for line, cells in rows:
        with row_problems():
            image, radiologist, *values = pick(path, line, cells, columns)
            where = f"'{path}' row {line}"
            if not image or not radiologist:
                raise DataError(f"{where} has an empty image_id or rad_id: correct or remove it.")
            present = [_flag(where, name, value) for name, value in zip(names, values, strict=True)]
            found = {CLASS_INDEX[name] for name, flag in zip(names, present, strict=True) if flag}
            if len(CLASSES) in found and len(found) > 1:
                raise DataError(f"{where} has '{NO_FINDING}' beside findings: one of them is wrong.")
            reading = readings.setdefault(image, Reading())
            if radiologist in reading.findings:
                raise DataError(f"{where} repeats image '{image}' of radiologist '{radiologist}': remove one of them.")
            reading.findings[radiologist] = found - {len(CLASSES)}
            reading.clear[radiologist] = len(CLASSES) in found
    return readings


def read_sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Image → height and width of its original, from a table image_id,dim0,dim1.

    Raises:
        DataError: a malformed or repeated row.
    """
    rows = read_rows(path)
    columns = find_columns(path, next(rows)[1], ("image_id", "dim0", "dim1"))
    sizes: dict[str, tuple[int, int]] = {}
    for line, cells in rows:
        with row_problems():
            image, *sides = pick(path, line, cells, columns)
            if image in sizes:
                raise DataError(f"'{path}' row {line} repeats image '{image}': remove one of them.")
            if not all(side.isascii() and side.isdigit() and int(side) for side in sides):
                raise DataError(
                    f"'{path}' row {line} has dim0, dim1 = {', '.join(sides)}: they must be pixels, above 0."
                )
            sizes[image] = (int(sides[0]), int(sides[1]))
    return sizes


def _class_index(where: str, image: str, radiologist: str, name: str) -> int:
    if not image or not radiologist:
        raise DataError(f"{where} has an empty image_id or rad_id: correct or remove it.")
    if name not in CLASS_INDEX:
        raise DataError(
            f"{where} has the class '{name}': it must be one of {', '.join((*CLASSES, NO_FINDING))}."
            f"{suggest(name, CLASS_INDEX)}"
        )
    return CLASS_INDEX[name]


def _box(where: str, index: int, corners: list[str], size: tuple[int, int] | None) -> list[float]:
    """The corners; none for "No finding", whose corners are empty, or 0, 0, 1, 1 in some copies of Kaggle's table."""
    if index < len(CLASSES):
        return check_corners(where, corners, size)
    if any(corners) and [corner.removesuffix(".0") for corner in corners] != ["0", "0", "1", "1"]:
        raise DataError(f"{where} has '{NO_FINDING}' with a box {', '.join(corners)}: empty the four fields.")
    return []


def _check_consistent(where: str, reading: Reading, radiologist: str, index: int, labelled: bool) -> None:
    """A radiologist who sees nothing sees nothing; and boxes are of what the table of labels says is there."""
    sees, clear = reading.findings.get(radiologist), reading.clear.get(radiologist)
    nothing = index == len(CLASSES)
    if labelled and sees is None:
        raise DataError(f"{where} is by radiologist '{radiologist}', whose labels of this image are missing.")
    absent = labelled and not nothing and index not in (sees or ())
    if absent or (bool(sees) if nothing else clear):
        against = "the table of labels" if labelled else "another row"
        raise DataError(f"{where} contradicts {against} by radiologist '{radiologist}' on this image: correct one.")


def _flag(where: str, name: str, value: str) -> bool:
    if value not in ("0", "1", "0.0", "1.0"):
        raise DataError(f"{where} has '{value}' in the column '{name}': it must be 0 or 1.")
    return value.startswith("1")
