"""What is kept of every row and seed: one line of a CSV file, appended as it is measured."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pylon_zoo.errors import DataError
from pylon_zoo.evaluation import Evaluation

KEYS = ("row", "recipe", "settings", "method", "seed")
FIGURES = ("auroc", "point_accuracy", "point_accuracy_weighted")
MACRO = "macro"
COST = ("parameters", "epochs", "train_seconds", "images_per_second")
PLACE = ("dataset", "split", "images", "device", "version", "command")
BY_MASKS = "by_masks"
"""Column of the metrics judged by masks, only where there are any: such lines do not belong to a file by boxes."""


def figures(evaluation: Evaluation) -> dict[str, float]:
    """The numbers of one evaluation: averages, then `point_accuracy:CLASS` and `auroc:CLASS`; NaN where undefined.

    Other localization metrics follow as `NAME:macro`, the mean over the classes where they are defined.
    """
    point = evaluation.point_accuracy
    averages = {
        "auroc": evaluation.auroc.macro,
        "point_accuracy": point.macro if point else math.nan,
        "point_accuracy_weighted": point.weighted if point else math.nan,
    }
    boxed = [point.per_class[place].item() if point else math.nan for place in range(len(evaluation.classes))]
    ranked = evaluation.auroc.per_class.tolist()
    return {
        **averages,
        **{f"point_accuracy:{name}": value for name, value in zip(evaluation.classes, boxed, strict=True)},
        **{f"auroc:{name}": value for name, value in zip(evaluation.classes, ranked, strict=True)},
        **{f"{name}:{MACRO}": result.macro for name, result in evaluation.others.items()},
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """The lines so far; none when the file is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line in one write, the header first, so that two processes may fill the same file.

    Raises:
        DataError: the file has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [*KEYS, *FIGURES, *(name for name in row if ":" in name), *COST, *PLACE]
    columns += [BY_MASKS] if row.get(BY_MASKS) else []
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if not path.exists() or path.stat().st_size == 0:
        writer.writeheader()
    else:
        with path.open(newline="", encoding="utf-8") as file:
            found = next(csv.reader(file))
        if found != columns:
            other = sorted(set(found) ^ set(columns)) or ["their order"]
            raise DataError(f"{path} has other columns ({', '.join(other)}): give another file with --csv.")
    writer.writerow({name: _text(row.get(name, "")) for name in columns})
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _text(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value
