"""Explanations with heatmaps that the test chooses, and folders as `evaluate` and `train` write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pylon_zoo.evaluation.predictions import PREDICTIONS
from pylon_zoo.explanation.result import Explanation
from pylon_zoo.explanation.thresholds import Thresholds
from pylon_zoo.training.run_folder import COLUMNS, METRICS

pytest.importorskip("matplotlib")

Seen = Callable[..., Explanation]
LABELS = ("crack", "dent")


@pytest.fixture
def seen() -> Seen:
    """`seen(peak=(row, column) of 4 × 6 cells, size=(40, 60), unit="logit", scaling="absolute")`."""

    def make(
        peak: tuple[int, int] = (1, 2),
        size: tuple[int, int] = (40, 60),
        unit: str = "logit",
        scaling: str = "absolute",
        logit: float = 2.0,
    ) -> Explanation:
        heatmaps = torch.full((2, 4, 6), -6.0)
        heatmaps[:, peak[0], peak[1]] = logit
        return Explanation(
            path="a.png",
            image=torch.full((1, *size), 128, dtype=torch.uint8),
            labels=LABELS,
            probabilities=torch.full((2,), logit).sigmoid(),
            native_heatmaps=heatmaps,
            half_logits=torch.zeros(2),
            thresholds=Thresholds((0.5, 0.5)),
            unit=unit,
            scaling=scaling,
        )

    return make


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., str]:
    """`evaluated(name, …)`: a folder of an evaluation of 40 images and two classes; nobody has the second."""

    def make(name: str = "one", *, boxes: bool = True, fitted: bool = True, model: str = "a model") -> str:
        draw = np.random.default_rng(0)
        truth = np.stack([draw.integers(0, 2, 40), np.zeros(40)], axis=1).astype(np.float32)
        truth[3, 0] = np.nan
        ranks = (np.nan_to_num(truth) + draw.normal(0, 0.7, (40, 2))).astype(np.float32)
        having = np.flatnonzero(truth[:, 0] == 1) if boxes else np.zeros(0, int)
        offsets = np.tile(np.float32([[-3.0, 4.0]]), (len(having), 1))
        folder = tmp_path / name
        folder.mkdir()
        np.savez(
            folder / PREDICTIONS,
            classes=np.array(LABELS),
            paths=np.array([f"{number}.png" for number in range(40)]),
            targets=truth,
            ranks=ranks,
            probabilities=1 / (1 + np.exp(-ranks)),
            boxed=np.stack([having, 0 * having], axis=1),
            hits=(np.arange(len(having)) % 2).astype(np.float32),
            offsets=offsets,
            size=np.array([64, 96]),
        )
        facts = {"model": model}
        if fitted:
            facts["operating_point"] = {"fitted_on": "val", "thresholds": {"crack": 0.25, "dent": None}}
        (folder / "metrics.json").write_text(json.dumps(facts), encoding="utf-8")
        return str(folder)

    return make


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., str]:
    """`trained(name, epochs=3)`: a folder of a run; its second epoch was not evaluated, its third is the best."""

    def make(name: str = "run", epochs: int = 3) -> str:
        folder = tmp_path / name
        folder.mkdir()
        lines = [",".join(COLUMNS)]
        for epoch in range(1, epochs + 1):
            found = "" if epoch == 2 else f"{1 / epoch}"
            auroc = "" if epoch == 2 else f"{0.5 + 0.1 * epoch}"
            lines.append(f"{epoch},1,0.001,{2 / epoch},{found},{auroc},,{int(epoch == 3)},10,1")
        (folder / METRICS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(folder)

    return make
