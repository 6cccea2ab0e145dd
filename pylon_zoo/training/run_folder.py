"""The folder of one run: what was trained, how it went, and the best model.

RUN/recipe.toml       every setting, as resolved
RUN/metrics.csv       one row per epoch, appended as they finish
RUN/checkpoint/       the best epoch: config.json + model.safetensors
RUN/state.pt          while it runs: all that is needed to go on from the last save
RUN/log/summary.json  the end of it: metrics, speed, versions, seed
RUN/report.html       the same for people, by `pylon_zoo.evaluation.training_report`

The state is what counts: `metrics.csv` and the checkpoint are written again from it when a run goes on.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import ConfigError, DataError, DiskFullError
from pylon_zoo.files import check_folder, finite, make_folder, write_text, write_together
from pylon_zoo.lock import locked
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.training.loop import Epoch
from pylon_zoo.training.processes import on_main
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.state import from_bytes, to_bytes
from pylon_zoo.weights.checkpoint import save_checkpoint
from pylon_zoo.weights.file_names import RUN_CHECKPOINT

if TYPE_CHECKING:
    from accelerate import Accelerator

RECIPE, METRICS, STATE, LOG, SUMMARY = "recipe.toml", "metrics.csv", "state.pt", "log", "summary.json"
REPORT = "report.html"
# In the order they are removed, should that be cut short: without `log` it is not done, without the state at its start.
CONTENTS = (LOG, STATE, METRICS, RUN_CHECKPOINT, RECIPE)
COLUMNS = (
    "epoch",
    "phase",
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
        for name in (REPORT, *CONTENTS):
            old = run.path / name
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
        run.sweep()
        with run.writing():
            write_text(run.path / RECIPE, recipe.to_toml())
            (run.path / LOG).mkdir()
            write_text(run.path / METRICS, table(()))
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

    @property
    def started(self) -> bool:
        """There is a run to go on with, be it from its beginning."""
        return (self.path / RECIPE).is_file()

    def recipe(self) -> Recipe:
        """The recipe that the run was started with."""
        return load_recipe(self.path / RECIPE)

    @contextmanager
    def locked(self, accelerator: Accelerator) -> Iterator[None]:
        """Keep other runs out of the folder, which is made if it is not there.

        Args:
            accelerator: of the run; its main process holds the lock.

        Raises:
            ConfigError: another process holds it, or it cannot be a folder.
        """
        with ExitStack() as stack:
            on_main(accelerator, lambda: stack.enter_context(locked(make_folder(self.path))))
            yield

    def summary(self) -> dict[str, Any] | None:
        """`log/summary.json`, which a run has once it is done; None before."""
        path = self.path / LOG / SUMMARY
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def history(self) -> dict[str, list[float]]:
        """The columns of `metrics.csv`, a value per epoch; NaN for what was not measured.

        Raises:
            DataError: there is no such file, or it is not one of a run.
        """
        path = self.path / METRICS
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return {name: [float(row[name] or math.nan) for row in rows] for name in COLUMNS}
        except OSError as error:
            raise DataError(
                f"{self.path} holds no run that can be read ({METRICS}: {error.strerror}): give a folder that "
                "`pylon-zoo train --out` wrote."
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not the table of a run: it lacks a column or a number.") from error

    def sweep(self) -> None:
        """Remove what a killed process had begun to write beside the files of the run."""
        for pattern in (
            *(f".{name}.*.tmp" for name in CONTENTS),
            f"{RUN_CHECKPOINT}/.*.part",
            f"{LOG}/.{SUMMARY}.*.tmp",
        ):
            for leftover in self.path.glob(pattern):
                leftover.unlink()

    def write_metrics(self, epochs: Iterable[Epoch]) -> None:
        """Write `metrics.csv`, a row per epoch; what was not measured or is undefined stays empty."""
        with self.writing():
            write_text(self.path / METRICS, table(epochs))

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace what the run goes on from."""
        with self.writing():
            write_together(self.path, {STATE: to_bytes(state)})

    def load_state(self) -> dict[str, Any] | None:
        """What was saved last; None before anything was.

        Raises:
            DataError: it is damaged.
        """
        path = self.path / STATE
        return from_bytes(path.read_bytes(), path) if path.is_file() else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say of a file that cannot be written, as on a full disk, that what was there before it is whole.

        Raises:
            DataError: instead of any OSError inside.
        """
        try:
            yield
        except OSError as error:
            cause = error.__cause__ if isinstance(error, DiskFullError) else None
            reason = cause if isinstance(cause, OSError) else error
            raise DataError(
                f"{self.path} cannot be written to: {reason.strerror or reason}. Nothing saved before is lost: make "
                "room, then go on with --resume."
            ) from error

    def save_best(self, model: HeatmapClassifier, **metadata: Any) -> None:
        """Replace the checkpoint.

        Args:
            model: what to save.
            **metadata: kept in its `config.json`.
        """
        with self.writing():
            save_checkpoint(model, self.checkpoint, **finite(metadata))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write `log/summary.json`, NaN as null; the state, a few times the size of the model, is needed no more."""
        with self.writing():
            write_text(self.path / LOG / SUMMARY, json.dumps(finite(summary), indent=2, ensure_ascii=False) + "\n")
            (self.path / STATE).unlink(missing_ok=True)


def table(epochs: Iterable[Epoch]) -> str:
    """The content of `metrics.csv`."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for epoch in epochs:
        seen = epoch.validation
        writer.writerow(
            (
                epoch.epoch,
                epoch.phase,
                f"{epoch.lr:.6g}",
                f"{epoch.loss:.6f}",
                *(_number(getattr(seen, name)) if seen else "" for name in ("loss", "auroc", "point_accuracy")),
                int(epoch.best),
                f"{epoch.images_per_second:.2f}",
                f"{epoch.seconds:.2f}",
            )
        )
    return lines.getvalue()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
