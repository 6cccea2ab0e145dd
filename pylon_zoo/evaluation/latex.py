"""The paper's table: classes as rows, weighted and macro average first, the controls beside the model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.metrics.bootstrap import Interval
from pylon_zoo.metrics.result import MetricResult

SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def latex_table(evaluation: Evaluation) -> str:
    """Point accuracy of the model and the controls, and AUROC, as a `tabular` for the package booktabs.

    Returns:
        LaTeX; two decimals as in the paper, three for AUROC, a dash where a value is undefined; intervals, where there
        are any, small behind it. Classes without a box have a row when they have an AUROC.
    """
    results: dict[str, MetricResult] = {
        control.capitalize(): judged["point_accuracy"] for control, judged in evaluation.controls.items()
    }
    if evaluation.point_accuracy is not None:
        results["Model"] = evaluation.point_accuracy
    names = [*results, "AUROC"]
    lines = [
        f"% {evaluation.model} on {evaluation.dataset}/{evaluation.split}, {evaluation.images} images; needs booktabs",
        rf"\begin{{tabular}}{{l{'r' * (len(names) + 1)}}}",
        r"\toprule",
        _row("Class", ["Average area", *names]),
        r"\midrule",
    ]
    areas = average_areas(evaluation)
    defined = [area for area in areas if not math.isnan(area)]
    support = evaluation.point_accuracy.support.tolist() if evaluation.point_accuracy else []
    weights = [count for area, count in zip(areas, support, strict=False) if not math.isnan(area)]
    weighted = sum(a * w for a, w in zip(defined, weights, strict=False)) / sum(weights) if sum(weights) else math.nan
    plain = sum(defined) / len(defined) if defined else math.nan
    keys = {"Model": "point_accuracy", "AUROC": "auroc"}
    keys |= {control.capitalize(): f"point_accuracy_{control}" for control in evaluation.controls}
    doubt = {heading: evaluation.intervals.get(keys[heading]) for heading in names}
    results["AUROC"] = evaluation.auroc
    for name, average, area in (("Weight. avg.", "weighted", weighted), ("Macro avg.", "macro", plain)):
        cells = [_cell(heading, getattr(one, average), doubt[heading], average) for heading, one in results.items()]
        lines.append(_row(name, [f"{area:.2f}", *cells]))
    lines.append(r"\midrule")
    for index, name in enumerate(evaluation.classes):
        cells = [_cell(heading, float(one.per_class[index]), doubt[heading], index) for heading, one in results.items()]
        lines.append(_row(name, [f"{areas[index]:.2f}", *cells]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def average_areas(evaluation: Evaluation) -> list[float]:
    """Mean share of the image that a class's boxes cover, per class; NaN without a box, or without records."""
    if evaluation.records is None:
        return [math.nan] * len(evaluation.classes)
    outcomes = evaluation.records.outcomes
    return [_mean(outcomes.areas[outcomes.labels == label]) for label in range(len(evaluation.classes))]


def _cell(heading: str, value: float, interval: Interval | None, which: int | str) -> str:
    """A value with its interval, of a class or of an average."""
    text = f"{value:.3f}" if heading == "AUROC" else f"{value:.2f}"
    if interval is None or math.isnan(value):
        return text
    low, high = getattr(interval, which) if isinstance(which, str) else (interval.low[which], interval.high[which])
    return text if math.isnan(low) else rf"{text} {{\scriptsize {low:.2f}--{high:.2f}}}"


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _row(name: str, cells: Sequence[str]) -> str:
    text = "".join(SPECIAL.get(letter, letter) for letter in name)
    return " & ".join([text, *("--" if cell == "nan" else cell for cell in cells)]) + r" \\"
