"""The folder of one run: what was trained, how it went, and the best model.

RUN/recipe.toml       every setting, as resolved
RUN/metrics.csv       one row per epoch, appended as they finish
RUN/checkpoint/       the best epoch: config.json + model.safetensors
RUN/log/summary.json  the end of it: metrics, speed, versions, seed
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pylon_zoo.errors import ConfigError
from pylon_zoo.files import check_folder, finite, make_folder, write_text
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.training.loop import Epoch
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.weights.checkpoint import RUN_CHECKPOINT, save_checkpoint

RECIPE, METRICS, LOG = "recipe.toml", "metrics.csv", "log"
CONTENTS = (RECIPE, METRICS, RUN_CHECKPOINT, LOG)
COLUMNS = (
    "epoch",
    "lr",
    "train_loss",
    "val_loss",
    "val_auroc",
    "val_point_accuracy",
    "best",
    "images_per_second",
    "seconds",
)


class RunFolder:
    """A run's files, each written so that a kill leaves the old one or the new one.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path, recipe: Recipe, *, overwrite: bool = False) -> RunFolder:
        """Start a run: make the folder and put the recipe in it.

        Args:
            path: the folder; made if it is not there. Files in it that are no run's stay untouched.
            recipe: what will be run.
            overwrite: remove another run's files first.

        Raises:
            ConfigError: the folder holds another run, or cannot be a folder.
        """
        run = cls(path)
        run.check_free(overwrite=overwrite)
        make_folder(run.path)
        for name in CONTENTS:
            old = run.path / name
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
        (run.path / LOG).mkdir()
        write_text(run.path / RECIPE, recipe.to_toml())
        write_text(run.path / METRICS, ",".join(COLUMNS) + "\n")
        return run

    def check_free(self, *, overwrite: bool = False) -> None:
        """Make sure that a run may be written here, without writing anything.

        Raises:
            ConfigError: the folder holds another run and `overwrite` is off, or cannot be a folder.
        """
        check_folder(self.path)
        found = [name for name in CONTENTS if (self.path / name).exists()]
        if found and not overwrite:
            raise ConfigError(
                f"--out {self.path} already holds a run ({', '.join(found)}). Give another folder, or --overwrite to "
                "replace it."
            )

    @property
    def checkpoint(self) -> Path:
        """The best epoch's checkpoint folder."""
        return self.path / RUN_CHECKPOINT

    def append(self, epoch: Epoch) -> None:
        """Add an epoch's row to `metrics.csv`; what was not measured or is undefined stays empty."""
        seen = epoch.validation
        values = (
            epoch.epoch,
            f"{epoch.lr:.6g}",
            f"{epoch.loss:.6f}",
            *(_number(getattr(seen, name)) if seen else "" for name in ("loss", "auroc", "point_accuracy")),
            int(epoch.best),
            f"{epoch.images_per_second:.2f}",
            f"{epoch.seconds:.2f}",
        )
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        with (self.path / METRICS).open("a", encoding="utf-8", newline="") as file:
            file.write(line.getvalue())
            file.flush()
            os.fsync(file.fileno())

    def save_best(self, model: HeatmapClassifier, **metadata: Any) -> None:
        """Replace the checkpoint.

        Args:
            model: what to save.
            **metadata: kept in its `config.json`.
        """
        save_checkpoint(model, self.checkpoint, **finite(metadata))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `log/summary.json`; NaN becomes null."""
        write_text(self.path / LOG / "summary.json", json.dumps(finite(summary), indent=2, ensure_ascii=False) + "\n")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
