"""A run as it is written down: after every epoch its row, its checkpoint, and the state from which it can go on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pylon_zoo.errors import DataError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.training.loop import Epoch
from pylon_zoo.training.processes import on_main
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.run_folder import RunFolder
from pylon_zoo.training.state import TrainingState, holding
from pylon_zoo.training.validation import Validation

if TYPE_CHECKING:
    from accelerate import Accelerator


class Diary:
    """Begins a run in its folder, or finds where it was.

    Args:
        run: the folder, locked.
        recipe: of the run.
        model: what is trained.
        accelerator: its main process writes.
        learnt_from: name and hash of the training split.
        resume: go on with what is in the folder.
        overwrite: replace what is in the folder.

    Raises:
        ConfigError: the folder holds another run.
        DataError: the state is damaged, was trained on other data, or nothing can be written.
    """

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        model: HeatmapClassifier,
        accelerator: Accelerator,
        learnt_from: Mapping[str, str],
        *,
        resume: bool,
        overwrite: bool,
    ) -> None:
        self.run, self.model, self.accelerator, self.learnt_from = run, model, accelerator, learnt_from
        kept = run.load_state() if resume else None
        self.state = TrainingState() if kept is None else TrainingState.from_dict(kept["training"])
        self.epochs = [] if kept is None else [_epoch(row) for row in kept["epochs"]]
        self.started = time.perf_counter() - (0.0 if kept is None else kept["seconds"])
        if kept is None:
            # A run that has saved nothing yet begins again; its folder has been found to be its own.
            again = overwrite or (resume and run.started)
            on_main(accelerator, lambda: RunFolder.create(run.path, recipe, overwrite=again))
            return
        if kept["learnt_from"] != dict(learnt_from):
            raise DataError(
                f"The training images or labels are not those that the run in {run.path} was started with. Give it its "
                "own data, or start anew with --overwrite."
            )
        on_main(accelerator, self._restore)

    @property
    def seconds(self) -> float:
        """Since the run's start, less what was lost or spent elsewhere."""
        return time.perf_counter() - self.started

    def note(self, epoch: Epoch) -> None:
        """Write an epoch's row, and the checkpoint if it is the best one; the state follows by `save`."""
        self.epochs.append(epoch)
        on_main(self.accelerator, self._restore if epoch.best else lambda: self.run.write_metrics(self.epochs))

    def save(self, training: Mapping[str, Any]) -> None:
        """Write the state.

        Args:
            training: what `fit` gives.
        """
        rows = [asdict(epoch) for epoch in self.epochs]
        on_main(
            self.accelerator,
            lambda: self.run.save_state(
                {"training": training, "epochs": rows, "seconds": self.seconds, "learnt_from": dict(self.learnt_from)}
            ),
        )

    def _restore(self) -> None:
        """Make the table and the checkpoint what the state says."""
        self.run.sweep()
        best = self.state.best
        if best is not None:
            validation = next(one.validation for one in self.epochs if one.epoch == best.epoch and one.validation)
            with holding(self.model, best.weights):
                self.run.save_best(self.model, training={**self.learnt_from, "epoch": best.epoch, **asdict(validation)})
        self.run.write_metrics(self.epochs)


def _epoch(row: Mapping[str, Any]) -> Epoch:
    """Back from `asdict`."""
    seen = row["validation"]
    return Epoch(**{**row, "validation": None if seen is None else Validation(**seen)})
