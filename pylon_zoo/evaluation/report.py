"""An evaluation as one HTML page that needs nothing else: numbers with their doubt, controls, and pictures."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable
from html import escape
from pathlib import Path

from PIL import Image

from pylon_zoo._version import __version__
from pylon_zoo.evaluation.charts import Row, bars, curve
from pylon_zoo.evaluation.decisions import reliability
from pylon_zoo.evaluation.gallery import Shown
from pylon_zoo.evaluation.intervals import intervals
from pylon_zoo.evaluation.report_style import CSS
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.evaluation.tables import AVERAGES, PLACED, VIEWED, console_rows, notes
from pylon_zoo.evaluation.targets import targets
from pylon_zoo.explanation.report import FOOTER
from pylon_zoo.explanation.report_style import CSS as BASE_CSS
from pylon_zoo.files import make_folder, write_text
from pylon_zoo.metrics import Strata, wilson_interval
from pylon_zoo.metrics.resampling import Mean

KINDS = {"best": "Best: hits, the surest", "random": "Drawn by lot", "worst": "Worst: sure misses, else unsure hits"}
AIMED = 24
"""Classes at most whose offsets are drawn, those with most boxes."""
OFFSET = "Offset: from the centre of the nearest box to the map's highest point, mean over images."
NONE = (math.nan, math.nan)


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
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    title = escape(evaluation.model)
    charts = [auroc_card(evaluation), *point_cards(evaluation), offset_card(evaluation), _reliability(evaluation)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: evaluation</title>\n<style>{BASE_CSS}{CSS}</style>\n</head>\n<body>\n"
        f'<header><p class="kicker">Evaluation of</p><h1>{title}</h1>{_headline(evaluation)}'
        f'<div class="facts"><dl>{listed}</dl></div></header>\n<p class="hint">Whiskers are 95 % intervals; dashed '
        "ticks are what an unseeing random map scores.</p>\n"
        f'<main>\n<div class="charts">{"".join(charts)}</div>\n{_decided(evaluation)}{table_card(evaluation)}'
        f"{_gallery(evaluation, pictures)}\n</main>\n"
        f"<footer>{FOOTER}<br>Made by pylon_zoo {__version__}.</footer>\n</body>\n</html>\n"
    )


def _headline(evaluation: Evaluation) -> str:
    """The averages in large."""
    cells = []
    for name, key, result in (
        ("AUROC", "auroc", evaluation.auroc),
        ("point accuracy", "point_accuracy", evaluation.point_accuracy),
    ):
        if result is None:
            continue
        for average in AVERAGES:
            low, high = getattr(evaluation.intervals[key], average) if key in evaluation.intervals else NONE
            ends = "" if math.isnan(low) else f", {low:.3f} to {high:.3f}"
            value = getattr(result, average)
            cells.append(f"<div><b>{_number(value)}</b><span>{name}, {average}{ends}</span></div>")
    return f'<div class="big">{"".join(cells)}</div>'


def auroc_card(evaluation: Evaluation) -> str:
    """AUROC class by class, as a card of the page."""
    interval = evaluation.intervals.get("auroc")
    rows: list[Row] = []
    for place, name in enumerate(evaluation.classes):
        ends = (float(interval.low[place]), float(interval.high[place])) if interval else NONE
        value = float(evaluation.auroc.per_class[place])
        rows.append((name, value, *ends, f"{int(evaluation.positives[place])} images with it"))
    lows = [value for row in rows for value in row[1:3] if not math.isnan(value)]
    low = 0.5 if min(lows, default=0.5) >= 0.5 else 0.0
    note = "Does the score rank images with the finding above those without? "
    return card("AUROC", note + ("The axis begins at chance, 0.5." if low else "Chance is 0.5."), bars(rows, low))


def point_cards(evaluation: Evaluation) -> list[str]:
    """Point accuracy class by class, and by the boxes' area, as cards."""
    points = evaluation.point_accuracy
    if points is None:
        return [card("Point accuracy", "The model has no heatmaps.", "")]
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
    cards = [card("Point accuracy", "Does the map's highest point lie in a true box?", bars(rows, marks=marks))]
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
        cards.append(card("Point accuracy by box area", note, bars(rows)))
    return cards


def offset_card(evaluation: Evaluation) -> str:
    """Where peaks lie around their findings' centres, class by class, as a card; empty without boxes."""
    if evaluation.records is None or not evaluation.pointing:
        return ""
    outcomes, support = evaluation.records.outcomes, evaluation.pointing["offset_down"].support
    most = [label for label in support.argsort(descending=True, stable=True)[:AIMED] if support[label] > 0]
    if not most:
        return ""
    aims = [(evaluation.classes[label], outcomes.offsets[outcomes.labels == label].tolist()) for label in sorted(most)]
    note = (
        f"{OFFSET} Each dot is an image, the cross the centre of its finding, the arrow goes to the dots' mean. Dots "
    )
    note += "around the cross: the map points at its findings; a cloud beside it: it points beside them."
    return card("Where peaks lie", note, targets(aims))


def _reliability(evaluation: Evaluation) -> str:
    if evaluation.records is None:
        return ""
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
        f"{_number(bins.expected_error.macro)}{_ends(evaluation, 'ece')}."
    )
    if evaluation.calibrated and evaluation.decided:
        after = ", ".join(
            f"{name} {_number(error.macro)}{_ends(evaluation, f'ece_{name}')}"
            for name, error in evaluation.calibrated.items()
        )
        note += f" After scaling fitted on {escape(str(evaluation.decided.fitted_on))}: {after}."
    return card("Reliability", note, curve(points, "predicted probability", "share that has the finding"))


def _decided(evaluation: Evaluation) -> str:
    point = evaluation.decided
    if point is None:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_number(float(point.thresholds[place]))}</td>"
        + "".join(
            f"<td>{_number(float(one.per_class[place]))}{_ends(evaluation, one.name, place)}</td>"
            for one in (point.sensitivity, point.specificity)
        )
        + "</tr>"
        for place, name in enumerate(evaluation.classes)
    )
    note = f"Largest geometric mean of sensitivity and specificity, fitted on {escape(str(point.fitted_on))}, applied "
    note += f"to {escape(point.applied_to)}."
    if point.in_sample:
        note += ' <span class="warning">Fitted on the split that is judged: these numbers flatter the model.</span>'
    head = "<tr><th>class</th><th>threshold</th><th>sensitivity</th><th>specificity</th></tr>"
    return card("Decisions at a threshold", note, f'<div class="table"><table>{head}{rows}</table></div>')


def table_card(evaluation: Evaluation) -> str:
    """All numbers, with the controls, as a card."""
    head, *lines = console_rows(evaluation)
    body = ""
    for line in lines:
        average = ' class="average"' if line[0] in AVERAGES else ""
        body += f"<tr{average}>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>"
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    note = "Random and centre maps never saw the image, the oracle is the findings themselves: no method should be "
    note += "read without them. Intervals in brackets."
    if evaluation.by_masks:
        note += " Metrics marked (masks) go by the pixels of masks, where images have them; the others by boxes."
    if evaluation.pointing:
        note += f" {OFFSET} Same place: the largest share of images whose maps peak in one and the same cell, and that "
        note += "of the boxes' centres; far above that, one cell speaks whatever the image shows."
    note += "".join(f" {escape(sentence)}" for sentence in notes(evaluation))
    return card("All numbers", note, f'<div class="table"><table><tr>{names}</tr>{body}</table></div>')


def _gallery(evaluation: Evaluation, pictures: Iterable[Shown]) -> str:
    """One card per class that has pictures."""
    by_class: dict[int, dict[str, list[str]]] = {}
    for shown in pictures:
        kinds = by_class.setdefault(shown.label, {})
        kinds.setdefault(shown.kind, []).append(_figure(shown, evaluation.classes[shown.label]))
    cards = []
    for label, kinds in by_class.items():
        trios = "".join(
            f'<section><h3>{KINDS[kind]}</h3><div class="pair">{"".join(figures)}</div></section>'
            for kind, figures in kinds.items()
        )
        cards.append(
            f'<article class="card"><header><h2>{escape(evaluation.classes[label])}</h2><span class="where">blue: the '
            f'true box; cross-hair: the map\'s highest point</span></header><div class="trios">{trios}</div></article>'
        )
    return "\n".join(cards)


def _figure(shown: Shown, name: str) -> str:
    verdict = '<span class="hit">hit</span>' if shown.hit else '<span class="miss">miss</span>'
    path = escape(Path(shown.path).name)
    return (
        f'<figure><img src="{picture_uri(shown.picture)}" alt="{escape(name)} in {path}" title="{escape(shown.path)}">'
        f'<figcaption>{verdict} at {shown.probability:.2f} <span class="note">{path}</span></figcaption></figure>'
    )


def picture_uri(picture: Image.Image) -> str:
    """A picture as an address that holds all of it.

    Example:
        >>> picture_uri(Image.new("RGB", (4, 4))).startswith("data:image/jpeg;base64,")
        True
    """
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def card(title: str, note: str, body: str) -> str:
    """A part of the page; all of it is HTML already."""
    return f'<article class="card"><h2>{title}</h2><p>{note}</p>{body}</article>\n'


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _ends(evaluation: Evaluation, name: str, place: int | None = None) -> str:
    """A figure's interval in brackets, of one class or of the mean over classes; nothing where there is none."""
    interval = evaluation.intervals.get(name)
    if interval is None:
        return ""
    low, high = interval.macro if place is None else (float(interval.low[place]), float(interval.high[place]))
    return "" if math.isnan(low) else f" ({low:.2f}–{high:.2f})"
