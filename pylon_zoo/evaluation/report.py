"""An evaluation as one HTML page that needs nothing else: numbers with their doubt, controls, and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from pylon_zoo.evaluation.charts import Row, bars, curve
from pylon_zoo.evaluation.decisions import reliability
from pylon_zoo.evaluation.gallery import Shown
from pylon_zoo.evaluation.intervals import intervals
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.evaluation.tables import AVERAGES, PLACED, VIEWED, console_rows, notes
from pylon_zoo.evaluation.targets import targets
from pylon_zoo.explanation.page_parts import picture_uri
from pylon_zoo.files import make_folder, write_text
from pylon_zoo.metrics import Strata, wilson_interval
from pylon_zoo.metrics.resampling import Mean
from pylon_zoo.pages import render

KINDS = {
    True: {"best": "Best: hits, the surest", "random": "Drawn by lot", "worst": "Worst: sure misses, else unsure hits"},
    False: {"best": "Surest of the images that have it", "worst": "Least sure of the images that have it"},
}
"""Whether there are boxes → kind of a picture → its heading."""
LEGENDS = {
    True: "blue: the true box; cross-hair: the map's highest point",
    False: "cross-hair: the map's highest point; nobody has marked where it should be",
}
AIMED = 24
"""Classes at most whose offsets are drawn, those with most boxes."""
OFFSET = "Offset: from the centre of the nearest box to the map's highest point, mean over images."
NONE = (math.nan, math.nan)


class Chart(NamedTuple):
    """A picture in SVG with a heading, and what to know of it."""

    title: str
    note: str
    svg: str


def write_report(evaluation: Evaluation, pictures: Iterable[Shown], folder: str | Path) -> Path:
    """Write `report.html` atomically.

    Args:
        evaluation: with records.
        pictures: of `pylon_zoo.evaluation.gallery.gallery`.
        folder: where; made if it is not there.

    Returns:
        The file.

    Raises:
        ConfigError: `folder` cannot be a folder.

    Example:
        >>> from tempfile import mkdtemp
        >>> from pylon_zoo.evaluation.evaluate import evaluate
        >>> from pylon_zoo.data.phantom import PhantomCxr; from pylon_zoo.models.build import build_model
        >>> data = PhantomCxr("test", size=64, count=8)
        >>> model = build_model("pylon_test_resnet", 8, in_chans=1, label_names=data.classes)
        >>> write_report(evaluate(model, data, size=64), [], mkdtemp()).name
        'report.html'
    """
    path = make_folder(folder) / "report.html"
    write_text(path, report_html(evaluation, pictures))
    return path


def report_html(evaluation: Evaluation, pictures: Iterable[Shown]) -> str:
    """The page; nothing in it depends on time or machine."""
    height, width = evaluation.size
    facts = {
        "Data": f"{evaluation.dataset}, {evaluation.split}",
        "Images": str(evaluation.images),
        "Judged at": f"{width} × {height} px, {PLACED[evaluation.placement]}{VIEWED[evaluation.views]}",
        "Intervals": f"95 %, {evaluation.replicates} bootstrap draws" if evaluation.replicates else "95 %, Wilson",
    }
    if evaluation.missing:
        facts["Not evaluated"] = ", ".join(evaluation.missing)
    return render(
        "evaluation.html",
        title=evaluation.model,
        facts=facts,
        headline=list(_headline(evaluation)),
        charts=[
            auroc_chart(evaluation),
            *point_charts(evaluation),
            *offset_charts(evaluation),
            *_reliability(evaluation),
        ],
        decided=evaluation.decided,
        decisions=list(_decisions(evaluation)),
        numbers=all_numbers(evaluation),
        classes=pictured(evaluation, pictures),
    )


def _headline(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """Value and name of the averages."""
    for name, key, result in (
        ("AUROC", "auroc", evaluation.auroc),
        ("point accuracy", "point_accuracy", evaluation.point_accuracy),
    ):
        if result is None:
            continue
        for average in AVERAGES:
            low, high = getattr(evaluation.intervals[key], average) if key in evaluation.intervals else NONE
            ends = "" if math.isnan(low) else f", {low:.3f} to {high:.3f}"
            yield number(getattr(result, average)), f"{name}, {average}{ends}"


def auroc_chart(evaluation: Evaluation) -> Chart:
    """AUROC class by class."""
    interval = evaluation.intervals.get("auroc")
    rows: list[Row] = []
    for place, name in enumerate(evaluation.classes):
        ends = (float(interval.low[place]), float(interval.high[place])) if interval else NONE
        value = float(evaluation.auroc.per_class[place])
        rows.append((name, value, *ends, f"{int(evaluation.positives[place])} images with it"))
    lows = [value for row in rows for value in row[1:3] if not math.isnan(value)]
    low = 0.5 if min(lows, default=0.5) >= 0.5 else 0.0
    note = "Does the score rank images with the finding above those without? "
    return Chart("AUROC", note + ("The axis begins at chance, 0.5." if low else "Chance is 0.5."), bars(rows, low))


def point_charts(evaluation: Evaluation) -> list[Chart]:
    """Point accuracy class by class, and by the boxes' area."""
    points = evaluation.point_accuracy
    if points is None:
        return [Chart("Point accuracy", "The model has no heatmaps.", "")]
    interval = evaluation.intervals.get("point_accuracy")
    wilson = wilson_interval(points.per_class * points.support, points.support)
    low, high = (interval.low, interval.high) if interval else wilson
    rows: list[Row] = [
        (
            name,
            float(points.per_class[place]),
            float(low[place]),
            float(high[place]),
            f"{int(points.support[place])} boxed",
        )
        for place, name in enumerate(evaluation.classes)
    ]
    random = evaluation.controls.get("random", {}).get("point_accuracy")
    marks = random.per_class.tolist() if random else []
    charts = [Chart("Point accuracy", "Does the map's highest point lie in a true box?", bars(rows, marks=marks))]
    if evaluation.records is not None:
        strata = Strata.of(evaluation.records.outcomes)
        low, high = strata.interval()
        if evaluation.draws is not None:
            drawn = intervals(evaluation.draws, [Mean("areas", strata.pairs, len(strata.cases))])["areas"]
            low, high = drawn.low, drawn.high
        share = strata.hits / strata.cases
        rows = [
            (
                f"{100 * strata.edges[place]:g}–{100 * strata.edges[place + 1]:g} %  (n = {cases})",
                float(share[place]),
                float(low[place]),
                float(high[place]),
                "",
            )
            for place, cases in enumerate(strata.cases.tolist())
        ]
        note = "All classes together, by the share of the image that the boxes cover."
        charts.append(Chart("Point accuracy by box area", note, bars(rows)))
    return charts


def offset_charts(evaluation: Evaluation) -> list[Chart]:
    """Where peaks lie around their findings' centres, class by class; nothing without boxes."""
    if evaluation.records is None or not evaluation.pointing:
        return []
    outcomes, support = evaluation.records.outcomes, evaluation.pointing["offset_down"].support
    most = [label for label in support.argsort(descending=True, stable=True)[:AIMED] if support[label] > 0]
    if not most:
        return []
    aims = [(evaluation.classes[label], outcomes.offsets[outcomes.labels == label].tolist()) for label in sorted(most)]
    note = (
        f"{OFFSET} Each dot is an image, the cross the centre of its finding, the arrow goes to the dots' mean. Dots "
    )
    note += "around the cross: the map points at its findings; a cloud beside it: it points beside them."
    return [Chart("Where peaks lie", note, targets(aims))]


def _reliability(evaluation: Evaluation) -> list[Chart]:
    if evaluation.records is None:
        return []
    bins = reliability(evaluation)
    pooled = bins.pooled
    points = [
        (told / cases, seen / cases, cases)
        for cases, told, seen in zip(
            *(one[0].tolist() for one in (pooled.counts, pooled.predicted, pooled.observed)), strict=True
        )
        if cases
    ]
    note = (
        "Of predictions with a given probability, how many are right? On the diagonal, the probability means what it "
        "says. Larger dots stand for more predictions, the line joins those of five or more; all classes pooled, "
        f"{pooled.counts.shape[1]} bins of equal width. Expected calibration error, mean over classes: "
        f"{number(bins.expected_error.macro)}{_ends(evaluation, 'ece')}."
    )
    if evaluation.calibrated and evaluation.decided:
        after = ", ".join(
            f"{name} {number(error.macro)}{_ends(evaluation, f'ece_{name}')}"
            for name, error in evaluation.calibrated.items()
        )
        note += f" After scaling fitted on {evaluation.decided.fitted_on}: {after}."
    return [Chart("Reliability", note, curve(points, "predicted probability", "share that has the finding"))]


def _decisions(evaluation: Evaluation) -> Iterator[list[str]]:
    """Class by class its name, the threshold, sensitivity and specificity."""
    point = evaluation.decided
    if point is None:
        return
    for place, name in enumerate(evaluation.classes):
        shares = (
            number(float(one.per_class[place])) + _ends(evaluation, one.name, place)
            for one in (point.sensitivity, point.specificity)
        )
        yield [name, number(float(point.thresholds[place])), *shares]


def all_numbers(evaluation: Evaluation) -> Mapping[str, Any]:
    """The table, with the controls, and how to read it."""
    head, *rows = console_rows(evaluation)
    note = "Random and centre maps never saw the image, the oracle is the findings themselves: no method should be "
    note += "read without them. Intervals in brackets."
    if evaluation.by_masks:
        note += " Metrics marked (masks) go by the pixels of masks, where images have them; the others by boxes."
    if evaluation.pointing:
        note += f" {OFFSET} Same place: the largest share of images whose maps peak in one and the same cell, and that "
        note += "of the boxes' centres; far above that, one cell speaks whatever the image shows."
    return {"note": " ".join([note, *notes(evaluation)]), "head": head, "rows": rows, "averages": AVERAGES}


def boxed(evaluation: Evaluation, label: int) -> bool:
    """Whether any image has a place marked for a class."""
    return bool(evaluation.point_accuracy is not None and evaluation.point_accuracy.support[label] > 0)


def pictured(evaluation: Evaluation, pictures: Iterable[Shown]) -> list[Mapping[str, Any]]:
    """The classes that have pictures, and those by kind."""
    by_class: dict[int, dict[str, list[Mapping[str, str]]]] = {}
    for shown in pictures:
        figure = {
            "source": picture_uri(shown.picture, quality=82),
            "path": shown.path,
            "name": PurePath(shown.path).name,
            "probability": f"{shown.probability:.2f}",
            "verdict": ("hit" if shown.hit else "miss") if boxed(evaluation, shown.label) else "",
        }
        by_class.setdefault(shown.label, {}).setdefault(shown.kind, []).append(figure)
    classes: list[Mapping[str, Any]] = []
    for label, kinds in by_class.items():
        marked = boxed(evaluation, label)
        shown_kinds = [{"title": KINDS[marked][kind], "shown": figures} for kind, figures in kinds.items()]
        classes.append({"name": evaluation.classes[label], "legend": LEGENDS[marked], "kinds": shown_kinds})
    return classes


def number(value: float) -> str:
    """Three digits, or a dash for what is undefined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _ends(evaluation: Evaluation, name: str, place: int | None = None) -> str:
    """A figure's interval in brackets, of one class or of the mean over classes; nothing where there is none."""
    interval = evaluation.intervals.get(name)
    if interval is None:
        return ""
    low, high = interval.macro if place is None else (float(interval.low[place]), float(interval.high[place]))
    return "" if math.isnan(low) else f" ({low:.2f}–{high:.2f})"
