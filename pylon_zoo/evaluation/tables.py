"""An evaluation as a table to read and as files to compute with."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pylon_zoo._version import __version__
from pylon_zoo.evaluation.decisions import chosen_on
from pylon_zoo.evaluation.intervals import ENDS
from pylon_zoo.evaluation.judges import BY_THRESHOLD
from pylon_zoo.evaluation.latex import latex_table
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.explanation.thresholds import Thresholds
from pylon_zoo.files import finite, make_folder, write_text

HEADINGS = {
    "class": "class",
    "images": "images",
    "positives": "positives",
    "auroc": "AUROC",
    "boxed_images": "with box",
    "point_accuracy": "point acc.",
}
"""Key of a row → heading on the console; `columns` adds those that an evaluation has besides."""
PLACED = {"exact": "cells where they look", "paper": "cells as tiles, as in the paper"}
"""Placement → how a table says it."""
VIEWED = {
    "none": "",
    "mirror": ", mean with the mirror image",
    "turns": ", mean of four quarter turns",
    "all": ", mean of eight turns and mirror images",
    "scales": ", mean of two scales",
}
"""Views → how a table says them."""
POINTED = {"offset_down": "offset (px)", "same_place": "same place"}
"""Results of `pylon_zoo.metrics.pointing` that tables to read show, each with the one that belongs to it."""
AVERAGES = ("macro", "weighted")


def columns(evaluation: Evaluation) -> dict[str, str]:
    """Key of a row → heading, for what this evaluation has: metrics, controls, ends of intervals, in that order."""
    extra = {"auprc": "AUPRC"} if evaluation.auprc else {}
    extra |= {name: _short(name) + (" (masks)" if name in evaluation.by_masks else "") for name in evaluation.others}
    extra |= {name: POINTED.get(name, name.replace("_", " ")) for name in evaluation.pointing}
    for control, results in evaluation.controls.items():
        extra |= {
            f"{name}_{control}": control if name == "point_accuracy" else f"{_short(name)} {control}"
            for name in results
        }
    shown = HEADINGS | extra
    return shown | {f"{name}_{end}": f"{_short(name)} {end}" for name in _with_ends(evaluation, shown) for end in ENDS}


def _with_ends(evaluation: Evaluation, shown: Iterable[str]) -> list[str]:
    """The columns that have an interval; calibration's and decisions' are no columns."""
    return [name for name in shown if name in evaluation.intervals]


def rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per class, then the macro and the weighted average, over the classes where the metric is defined.

    Returns:
        Rows with the keys of `columns`. `images` counts those whose label is known, `positives` those that have the
        class, `boxed_images` those with a box of it; averages have the number of images and the sums of the other two.
        AUROC is weighted by positives, point accuracy by images with a box.
    """
    points = evaluation.point_accuracy
    results = {"auroc": evaluation.auroc, "point_accuracy": points, "auprc": evaluation.auprc}
    results |= {**evaluation.others, **evaluation.pointing}
    for control, judged in evaluation.controls.items():
        results |= {f"{name}_{control}": result for name, result in judged.items()}
    keys = columns(evaluation)
    doubt = {name: evaluation.intervals[name] for name in _with_ends(evaluation, keys)}
    table: list[dict[str, Any]] = []
    for index, name in enumerate(evaluation.classes):
        row: dict[str, Any] = {
            "class": name,
            "images": int(evaluation.known[index]),
            "positives": int(evaluation.positives[index]),
            "boxed_images": int(points.support[index]) if points else 0,
        }
        row |= {key: float(result.per_class[index]) if result else math.nan for key, result in results.items()}
        for metric, interval in doubt.items():
            row |= {f"{metric}_{end}": float(getattr(interval, end)[index]) for end in ENDS}
        table.append(row)
    totals = {key: sum(row[key] for row in table) for key in ("positives", "boxed_images")}
    for average in AVERAGES:
        means = {key: getattr(result, average) if result else math.nan for key, result in results.items()}
        for metric, interval in doubt.items():
            means |= {f"{metric}_{end}": getattr(interval, average)[place] for place, end in enumerate(ENDS)}
        table.append({"class": average, "images": evaluation.images, **totals, **means})
    return [{key: row[key] for key in keys} for row in table]


def console_rows(evaluation: Evaluation) -> list[list[str]]:
    """The rows as text, headings first; ends of intervals stand in brackets behind their value.

    Of the controls only point accuracy's are shown; the files have all. An offset is shown in words, and after the
    share of peaks in the same place that of the boxes' centres.
    """
    hidden = {f"{name}_{control}" for control in evaluation.controls for name in evaluation.others}
    hidden |= set(evaluation.pointing) - set(POINTED)
    every = columns(evaluation)
    hidden |= {f"{name}_{end}" for name in every for end in ENDS}
    shown = {key: name for key, name in every.items() if key not in hidden}
    return [list(shown.values())] + [[_shown(row, key) for key in shown] for row in rows(evaluation)]


def console_table(evaluation: Evaluation) -> str:
    """The rows as aligned text under a title; undefined values show as `-`.

    Args:
        evaluation: what to show.

    Returns:
        Lines of text.

    Example:
        >>> from pylon_zoo.evaluation.evaluate import evaluate
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> console_table(evaluate(model, data, size=64)).splitlines()[0]
        'pylon_test_resnet on phantom_cxr/test: 8 images, heatmaps judged at 64×64 px, cells where they look'
    """
    lines = console_rows(evaluation)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for name, *values in lines:
        numbers = (value.rjust(width) for value, width in zip(values, widths[1:], strict=True))
        text.append("  ".join([name.ljust(widths[0]), *numbers]))
    rule = "-" * len(text[0])
    height, width = evaluation.size
    title = (
        f"{evaluation.model} on {evaluation.dataset}/{evaluation.split}: "
        f"{evaluation.images} images, heatmaps judged at {width}×{height} px, "
        f"{PLACED[evaluation.placement]}{VIEWED[evaluation.views]}"
    )
    averages = len(AVERAGES)
    body = [title, text[0], rule, *text[1:-averages], rule, *text[-averages:]]
    if evaluation.missing:
        body.append(f"Not evaluated (the model has no such class): {', '.join(evaluation.missing)}")
    return "\n".join([*body, *notes(evaluation)])


def notes(evaluation: Evaluation) -> list[str]:
    """Sentences about what stands behind some of the columns."""
    said = []
    if evaluation.thresholds is not None:
        named = " and ".join(_short(name) for name in evaluation.others if name in BY_THRESHOLD)
        said.append(f"{named.capitalize()}: found means a probability of at least {evaluation.thresholds}.")
    if evaluation.faithfulness:
        named = " and ".join(_short(name) for name in evaluation.faithfulness)
        lots = {settings["pairs_per_class"] for settings in evaluation.faithfulness.values()}
        lot = "every image" if lots == {None} else f"up to {max(lots)} images, drawn by lot,"
        said.append(f"{named.capitalize()}: of {lot} that have the class; no controls.")
    return said


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything about an evaluation that JSON can hold; undefined values are null."""
    table = [finite(row) for row in rows(evaluation)]
    counted = ("images", "positives", "boxed_images")
    averages = {row.pop("class"): {key: row[key] for key in row if key not in counted} for row in table[-2:]}
    return {
        "model": evaluation.model,
        "dataset": evaluation.dataset,
        "split": evaluation.split,
        "images": evaluation.images,
        "input_size": list(evaluation.size),
        "placement": evaluation.placement,
        "views": evaluation.views,
        **({"by_masks": list(evaluation.by_masks)} if evaluation.by_masks else {}),
        **({"thresholds": _thresholds(evaluation, evaluation.thresholds)} if evaluation.thresholds else {}),
        **({"faithfulness": finite(evaluation.faithfulness)} if evaluation.faithfulness else {}),
        "classes": table[: -len(AVERAGES)],
        **averages,
        "missing_classes": list(evaluation.missing),
        **({"bootstrap": evaluation.replicates} if evaluation.replicates else {}),
        **(chosen_on(evaluation) if evaluation.decided else {}),
        "seconds": round(evaluation.seconds, 3),
        "images_per_second": round(evaluation.images / evaluation.seconds, 2),
        "pylon_zoo": __version__,
    }


def write_tables(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Write `metrics.json`, `metrics.csv` and `metrics.tex`, each atomically.

    The first two name the metrics that were judged by masks, as `by_masks`, where there are any.

    Args:
        evaluation: what to write.
        folder: where; made if it is not there, files of the same names are replaced.

    Returns:
        The files written.

    Raises:
        ConfigError: `folder` cannot be a folder.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.evaluation.evaluate import evaluate
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> [path.name for path in write_tables(evaluate(model, data, size=64), mkdtemp())]
        ['metrics.json', 'metrics.csv', 'metrics.tex']
    """
    folder = make_folder(folder)
    table = io.StringIO()
    noted = {"by_masks": " ".join(evaluation.by_masks)} if evaluation.by_masks else {}
    writer = csv.DictWriter(table, fieldnames=[*columns(evaluation), *noted], lineterminator="\n")
    writer.writeheader()
    writer.writerows(finite(row) | noted for row in rows(evaluation))
    contents = {
        folder / "metrics.json": json.dumps(as_json(evaluation), indent=2, ensure_ascii=False) + "\n",
        folder / "metrics.csv": table.getvalue(),
        folder / "metrics.tex": latex_table(evaluation),
    }
    for path, text in contents.items():
        write_text(path, text)
    return list(contents)


def _thresholds(evaluation: Evaluation, thresholds: Thresholds) -> dict[str, Any]:
    """Where the thresholds that metrics went by come from, and what they are."""
    values = dict(zip(evaluation.classes, thresholds.values, strict=True))
    return {"source": thresholds.source, "values": values}


def _short(name: str) -> str:
    return HEADINGS.get(name, name.replace("_", " "))


def offset_in_words(down: float, right: float, *intervals: Sequence[float]) -> str:
    """A mean offset of peaks, in pixels, with the ends of both intervals where they are given.

    An interval counts in the direction that its value has: below 0 is the other way.

    Example:
        >>> offset_in_words(-3.14, 0.02, (-4.0, 0.5), (-0.5, 0.6))
        '3.1 up (-0.5 to 4.0), 0.0 right (-0.5 to 0.6)'
    """
    if math.isnan(down):
        return "-"
    words = []
    for value, names, interval in zip((down, right), ("up down", "left right"), intervals or ((), ()), strict=True):
        sign = -1 if value < 0 else 1
        ends = sorted(sign * end for end in interval)
        words.append(f"{abs(value):.1f} {names.split()[value >= 0]}" + _in_brackets(ends, 1))
    return ", ".join(words)


def _shown(row: dict[str, Any], key: str) -> str:
    """One cell of a table to read."""
    if key == "offset_down":
        axes = ("offset_down", "offset_right")
        return offset_in_words(*(row[one] for one in axes), *(_interval(row, one) for one in axes))
    if key == "same_place" and not math.isnan(row[key]):
        boxes = f"boxes {row['same_place_boxes']:.2f}{_ends(row, 'same_place_boxes')}"
        return f"{row[key]:.2f}{_ends(row, key)}, {boxes}"
    return _cell(row[key]) + _ends(row, key)


def _ends(row: dict[str, Any], key: str) -> str:
    """An interval in brackets after its value."""
    return _in_brackets(_interval(row, key), 2)


def _interval(row: dict[str, Any], key: str) -> list[float]:
    """Both ends of a value's interval, or none."""
    ends = [row.get(f"{key}_{end}", math.nan) for end in ENDS]
    return [] if any(map(math.isnan, ends)) else ends


def _in_brackets(ends: Sequence[float], digits: int) -> str:
    return f" ({ends[0]:.{digits}f}{' to ' if ends[0] < 0 else '–'}{ends[1]:.{digits}f})" if ends else ""


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return str(value)
