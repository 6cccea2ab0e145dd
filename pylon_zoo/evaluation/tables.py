"""An evaluation as a table to read and as files to compute with."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.evaluation.evaluate import Evaluation
from pylon_zoo.files import finite, make_folder, write_text

HEADINGS = {
    "class": "class",
    "images": "images",
    "positives": "positives",
    "auroc": "AUROC",
    "boxed_images": "with box",
    "point_accuracy": "point acc.",
}
"""Key of a row → heading on the console."""
AVERAGES = ("macro", "weighted")


def rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per class, then the macro and the weighted average, over the classes where the metric is defined.

    Returns:
        Rows with the keys of `HEADINGS`. `images` counts those whose label is known, `positives` those that have the
        class, `boxed_images` those with a box of it; averages have the number of images and the sums of the other two.
        AUROC is weighted by positives, point accuracy by images with a box.
    """
    points, areas = evaluation.point_accuracy, evaluation.auroc
    table = [
        {
            "class": name,
            "images": int(evaluation.known[index]),
            "positives": int(evaluation.positives[index]),
            "auroc": float(areas.per_class[index]),
            "boxed_images": int(points.support[index]) if points else 0,
            "point_accuracy": float(points.per_class[index]) if points else math.nan,
        }
        for index, name in enumerate(evaluation.classes)
    ]
    totals = {key: sum(row[key] for row in table) for key in ("positives", "boxed_images")}
    for average in AVERAGES:
        means = {
            "auroc": getattr(areas, average),
            "point_accuracy": getattr(points, average) if points else math.nan,
        }
        table.append({"class": average, "images": evaluation.images, **totals, **means})
    return [{key: row[key] for key in HEADINGS} for row in table]


def console_table(evaluation: Evaluation) -> str:
    """The rows as aligned text under a title; undefined values show as `-`."""
    lines = [list(HEADINGS.values())] + [[_cell(value) for value in row.values()] for row in rows(evaluation)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for name, *values in lines:
        numbers = (value.rjust(width) for value, width in zip(values, widths[1:], strict=True))
        text.append("  ".join([name.ljust(widths[0]), *numbers]))
    rule = "-" * len(text[0])
    height, width = evaluation.size
    title = (
        f"{evaluation.model} on {evaluation.dataset}/{evaluation.split}: "
        f"{evaluation.images} images, heatmaps judged at {width}×{height} px"
    )
    note = f"Not evaluated (the model has no such class): {', '.join(evaluation.missing)}"
    averages = len(AVERAGES)
    body = [title, text[0], rule, *text[1:-averages], rule, *text[-averages:]]
    return "\n".join([*body, note] if evaluation.missing else body)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything about an evaluation that JSON can hold; undefined values are null."""
    table = [finite(row) for row in rows(evaluation)]
    averages = {row.pop("class"): {key: row[key] for key in ("auroc", "point_accuracy")} for row in table[-2:]}
    return {
        "model": evaluation.model,
        "dataset": evaluation.dataset,
        "split": evaluation.split,
        "images": evaluation.images,
        "input_size": list(evaluation.size),
        "classes": table[: -len(AVERAGES)],
        **averages,
        "missing_classes": list(evaluation.missing),
        "seconds": round(evaluation.seconds, 3),
        "images_per_second": round(evaluation.images / evaluation.seconds, 2),
        "pylon_zoo": __version__,
    }


def write_tables(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Write `metrics.json` and `metrics.csv`, each atomically.

    Args:
        evaluation: what to write.
        folder: where; made if it is not there, files of the same names are replaced.

    Returns:
        The files written.

    Raises:
        ConfigError: `folder` cannot be a folder.
    """
    folder = make_folder(folder)
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(HEADINGS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(finite(row) for row in rows(evaluation))
    contents = {
        folder / "metrics.json": json.dumps(as_json(evaluation), indent=2, ensure_ascii=False) + "\n",
        folder / "metrics.csv": table.getvalue(),
    }
    for path, text in contents.items():
        write_text(path, text)
    return list(contents)


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return str(value)
