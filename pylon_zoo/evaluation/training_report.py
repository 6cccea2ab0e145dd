"""A finished run as one HTML page: how it went, how good its best epoch is, and where its heatmaps point."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import torch

from pylon_zoo._version import __version__
from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation.curves import curves
from pylon_zoo.evaluation.evaluate import evaluate, prepared
from pylon_zoo.evaluation.gallery import Shown, gallery
from pylon_zoo.evaluation.report import auroc_card, offset_card, picture_uri, point_cards, table_card
from pylon_zoo.evaluation.report_style import CSS as EVALUATION_CSS
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.evaluation.training_page import CSS, PAGE
from pylon_zoo.explanation.report import FOOTER
from pylon_zoo.explanation.report_style import CSS as BASE_CSS
from pylon_zoo.files import write_text
from pylon_zoo.metrics import Outcomes
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.optional import require
from pylon_zoo.training.run_folder import METRICS, REPORT, RunFolder
from pylon_zoo.training.train import open_split
from pylon_zoo.weights.checkpoint import load_checkpoint

BOOTSTRAP = 1000
"""Draws for the intervals."""
PICTURED = 24
"""Classes with pictures at most, those of which there are most images, so that a browser can still open the page."""
KINDS = {
    True: {"best": "Best: hits, the surest", "worst": "Worst: sure misses, else unsure hits"},
    False: {"best": "Surest of the images that have it", "worst": "Least sure of the images that have it"},
}
"""Whether there are boxes → kind of a picture → its heading."""
LEGENDS = {
    True: "blue: the true box; cross-hair: the map's highest point",
    False: "cross-hair: the map's highest point; nobody has marked where it should be",
}
HINT = (
    "Figures and pictures are of the epoch with the lowest validation loss, on the validation images that chose it, "
    "and flatter it a little. Whiskers are 95 % intervals; dashed ticks are what an unseeing random map scores."
)


def report_run(
    folder: str | Path, *, device: str | torch.device | None = None, workers: int = 0, progress: bool = False
) -> Path:
    """Judge a finished run's checkpoint on its validation split and write `report.html` into its folder, atomically.

    Args:
        folder: of the run; its data must be where its recipe says.
        device: where to run the model; None takes the best there is.
        workers: processes that load images.
        progress: bars on stderr.

    Returns:
        The file.

    Raises:
        ConfigError: there is no finished run.
        DataError: its data cannot be read any more.
        MissingDependencyError: Jinja2 or scikit-learn is not installed.
    """
    run = RunFolder(folder)
    if not run.started or run.summary() is None:
        raise ConfigError(
            f"{folder} holds no finished run: train it, or finish it with pylon-zoo train {folder} --resume."
        )
    best = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    model = load_checkpoint(folder).to(device or best).eval()
    dataset = prepared(model, open_split(run.recipe(), "val"), None)
    evaluation = evaluate(model, dataset, workers=workers, progress=progress, bootstrap=BOOTSTRAP)
    path = run.path / REPORT
    write_text(path, report_html(run, evaluation, pictures(model, dataset, evaluation)))
    return path


def pictures(model: HeatmapModel, dataset: LabelledDataset, evaluation: Evaluation) -> Iterator[Shown]:
    """The best and the worst maps, class by class; where nobody has marked places, the surest and the least sure.

    Args:
        model, dataset, evaluation: as for `pylon_zoo.evaluation.gallery.gallery`.
    """
    if evaluation.records is None or evaluation.point_accuracy is None:
        return
    records = evaluation.records
    counts = evaluation.positives.tolist()
    chosen = sorted(range(len(counts)), key=lambda label: -counts[label])[:PICTURED]
    own = records.outcomes
    kept = torch.isin(own.labels, torch.tensor(chosen))
    parts = [own.take(kept)]
    for label in chosen:
        if not boxed(evaluation, label):
            having = (records.targets[:, label] == 1).nonzero().flatten()
            # As hits they are ordered by their probability alone.
            parts.append(
                Outcomes(having, torch.full_like(having, label), torch.ones(len(having)), torch.zeros(len(having)))
            )
    shown = gallery(model, dataset, replace(evaluation, records=replace(records, outcomes=Outcomes.join(parts))))
    yield from (one for one in shown if one.kind in KINDS[True])


def boxed(evaluation: Evaluation, label: int) -> bool:
    """Whether any image has a place marked for a class."""
    return bool(evaluation.point_accuracy is not None and evaluation.point_accuracy.support[label] > 0)


def report_html(run: RunFolder, evaluation: Evaluation, shown: Iterable[Shown]) -> str:
    """The page.

    Args:
        run: finished.
        evaluation: of its checkpoint, with records.
        shown: of `pictures`.
    """
    jinja2 = require("jinja2", extra="train")
    safe = require("markupsafe", extra="train").Markup
    located = evaluation.point_accuracy is not None and bool((evaluation.point_accuracy.support > 0).any())
    figures = [auroc_card(evaluation), *(point_cards(evaluation) if located else ()), offset_card(evaluation)]
    page = jinja2.Environment(autoescape=True).from_string(PAGE)
    html: str = page.render(
        title=evaluation.model,
        css=safe(BASE_CSS + EVALUATION_CSS + CSS),
        headline=_headline(evaluation, located),
        facts=_facts(run, evaluation),
        hint=HINT,
        curves=[{**chart, "svg": safe(chart["svg"])} for chart in _curves(run)],
        figures=safe("".join(figures)),
        choices=[line.partition(" ")[::2] for line in run.recipe().notes],
        table=safe(table_card(evaluation)),
        classes=_classes(evaluation, shown),
        footer=FOOTER,
        version=__version__,
    )
    return html


def _headline(evaluation: Evaluation, located: bool) -> list[tuple[str, str]]:
    """Value and name of what stands in large."""
    results = [("AUROC", evaluation.auroc)]
    if located and evaluation.point_accuracy is not None:
        results.append(("point accuracy", evaluation.point_accuracy))
    return [(_number(result.macro), f"{name}, mean over classes") for name, result in results]


def _facts(run: RunFolder, evaluation: Evaluation) -> list[tuple[str, str]]:
    summary = run.summary() or {}
    return [
        ("Data", run.recipe().data.name),
        ("Images", f"{summary['train_images']:,} training, {summary['val_images']:,} validation"),
        ("Epochs", f"{summary['epochs']}, the best is {summary['best_epoch']}"),
        ("Time", f"{summary['seconds'] / 60:.1f} minutes on {summary['device']}"),
        ("Parameters", f"{summary['parameters'] / 1e6:.3g} million"),
        ("Judged at", f"{evaluation.size[1]} × {evaluation.size[0]} px"),
    ]


def _curves(run: RunFolder) -> list[dict[str, str]]:
    """Title, note and SVG of each chart."""
    with (run.path / METRICS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    best = (run.summary() or {})["best_epoch"]
    columns = {name: [float(row[name] or math.nan) for row in rows] for name in rows[0] if name != "best"}
    seen = {"AUROC": columns["val_auroc"], "point acc.": columns["val_point_accuracy"]}
    seen = {name: values for name, values in seen.items() if any(map(math.isfinite, values))}
    loss = {"training": columns["train_loss"], "validation": columns["val_loss"]}
    return [
        {
            "title": "Loss",
            "note": "Binary cross-entropy, mean over classes. Where validation rises while training falls, the images "
            "are being learnt by heart.",
            "svg": curves(loss, best=best),
        },
        {
            "title": "On validation images",
            "note": "After every epoch that was evaluated; the dashed line is the best epoch.",
            "svg": curves(
                seen, best=best, low=None if seen and min(map(_least, seen.values())) > 0.5 else 0.0, high=1.0
            ),
        },
    ]


def _least(values: Sequence[float]) -> float:
    return min(value for value in values if math.isfinite(value))


def _classes(evaluation: Evaluation, shown: Iterable[Shown]) -> list[Mapping[str, Any]]:
    """A card per class that has pictures."""
    by_class: dict[int, dict[str, list[Shown]]] = {}
    for one in shown:
        by_class.setdefault(one.label, {}).setdefault(one.kind, []).append(one)
    return [
        {
            "name": evaluation.classes[label],
            "legend": LEGENDS[boxed(evaluation, label)],
            "kinds": [
                {
                    "title": KINDS[boxed(evaluation, label)][kind],
                    "shown": [_figure(one, boxed(evaluation, label)) for one in ones],
                }
                for kind, ones in kinds.items()
            ],
        }
        for label, kinds in by_class.items()
    ]


def _figure(shown: Shown, judged: bool) -> Mapping[str, str]:
    return {
        "source": picture_uri(shown.picture),
        "path": shown.path,
        "name": PurePath(shown.path).name,
        "probability": f"{shown.probability:.2f}",
        "verdict": ("hit" if shown.hit else "miss") if judged else "",
    }


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
