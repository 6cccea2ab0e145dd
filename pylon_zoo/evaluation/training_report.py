"""A finished run as one HTML page: how it went, how good its best epoch is, and where its heatmaps point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation.curves import curves
from pylon_zoo.evaluation.evaluate import evaluate, prepared
from pylon_zoo.evaluation.gallery import Shown, gallery
from pylon_zoo.evaluation.report import (
    Chart,
    all_numbers,
    auroc_chart,
    boxed,
    number,
    offset_charts,
    pictured,
    point_charts,
)
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.files import write_text
from pylon_zoo.metrics import Outcomes
from pylon_zoo.models.heatmap_model import HeatmapModel
from pylon_zoo.pages import render
from pylon_zoo.training.run_folder import REPORT, RunFolder
from pylon_zoo.training.train import open_split
from pylon_zoo.weights.checkpoint import load_checkpoint

BOOTSTRAP = 1000
"""Draws for the intervals."""
PICTURED = 24
"""Classes with pictures at most, those of which there are most images, so that a browser can still open the page."""


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
        MissingDependencyError: scikit-learn is not installed.
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
    yield from (one for one in shown if one.kind != "random")


def report_html(run: RunFolder, evaluation: Evaluation, shown: Iterable[Shown]) -> str:
    """The page.

    Args:
        run: finished.
        evaluation: of its checkpoint, with records.
        shown: of `pictures`.
    """
    located = evaluation.point_accuracy is not None and bool((evaluation.point_accuracy.support > 0).any())
    points = point_charts(evaluation) if located else []
    return render(
        "training.html",
        title=evaluation.model,
        facts=_facts(run, evaluation),
        headline=_headline(evaluation, located),
        charts=[*_curves(run), auroc_chart(evaluation), *points, *offset_charts(evaluation)],
        choices=[line.partition(" ")[::2] for line in run.recipe().notes],
        numbers=all_numbers(evaluation),
        classes=pictured(evaluation, shown),
    )


def _headline(evaluation: Evaluation, located: bool) -> list[tuple[str, str]]:
    """Value and name of what stands in large."""
    results = [("AUROC", evaluation.auroc)]
    if located and evaluation.point_accuracy is not None:
        results.append(("point accuracy", evaluation.point_accuracy))
    return [(number(result.macro), f"{name}, mean over classes") for name, result in results]


def _facts(run: RunFolder, evaluation: Evaluation) -> dict[str, str]:
    summary = run.summary() or {}
    return {
        "Data": run.recipe().data.name,
        "Images": f"{summary['train_images']:,} training, {summary['val_images']:,} validation",
        "Epochs": f"{summary['epochs']}, the best is {summary['best_epoch']}",
        "Time": f"{summary['seconds'] / 60:.1f} minutes on {summary['device']}",
        "Parameters": f"{summary['parameters'] / 1e6:.3g} million",
        "Judged at": f"{evaluation.size[1]} × {evaluation.size[0]} px",
    }


def _curves(run: RunFolder) -> list[Chart]:
    columns = run.history()
    best = (run.summary() or {})["best_epoch"]
    seen = {"AUROC": columns["val_auroc"], "point acc.": columns["val_point_accuracy"]}
    seen = {name: values for name, values in seen.items() if any(map(math.isfinite, values))}
    loss = {"training": columns["train_loss"], "validation": columns["val_loss"]}
    low = None if seen and min(map(_least, seen.values())) > 0.5 else 0.0
    return [
        Chart(
            "Loss",
            "Binary cross-entropy, mean over classes. Where validation rises while training falls, the images are "
            "being learnt by heart.",
            curves(loss, best=best),
        ),
        Chart(
            "On validation images",
            "After every epoch that was evaluated; the dashed line is the best epoch.",
            curves(seen, best=best, low=low, high=1.0),
        ),
    ]


def _least(values: Sequence[float]) -> float:
    return min(value for value in values if math.isfinite(value))
