"""The paper's training loop: image-level labels, pooled heatmaps, best epoch by validation loss; phase by phase."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Batch
from pylon_zoo.errors import DataError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.progress import bar
from pylon_zoo.scoring import score
from pylon_zoo.training.loaders import InOrder, training_loader, validation_loader
from pylon_zoo.training.order import EpochOrder, EpochPlan
from pylon_zoo.training.phase import Phase, set_up
from pylon_zoo.training.processes import from_all, share_buffers
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.state import Best, TrainingState, snapshot
from pylon_zoo.training.step import steps, train_step
from pylon_zoo.training.validation import VALIDATION_BATCH, Validation, judge

if TYPE_CHECKING:
    from accelerate import Accelerator

Save = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    Args:
        epoch: counted from 1, through all phases.
        lr: learning rate of its last step; where the encoder has its own, that of the rest.
        loss: mean training loss.
        images_per_second: of training, without validation.
        seconds: of training and validation.
        validation: None where the epoch was not evaluated.
        best: no earlier epoch of the run, whatever its phase, had a lower validation loss.
        phase: counted from 1.
    """

    epoch: int
    lr: float
    loss: float
    images_per_second: float
    seconds: float
    validation: Validation | None
    best: bool
    phase: int = 1


def fit(
    model: HeatmapClassifier,
    train_set: LabelledDataset,
    val_set: LabelledDataset,
    recipe: Recipe,
    accelerator: Accelerator,
    *,
    workers: int = 0,
    progress: bool = False,
    state: TrainingState | None = None,
    save: Save | None = None,
) -> Iterator[Epoch]:
    """Train a model, one epoch per step of the iterator.

    Args:
        model: trained in place.
        train_set, val_set: with transforms that give normalised images of one size.
        recipe: optimizer, schedule, phases and loop; `model` and `data` have been dealt with.
        accelerator: from `make_accelerator`.
        workers: loading processes.
        progress: progress bars on stderr.
        state: where to begin, by default at the beginning; kept up to date, and holds the best weights.
        save: called with all that is needed to go on, after every epoch (once the caller has asked for the next) and
            every `save_every` steps; on every process.

    Yields:
        Every epoch, until in each phase the schedule has finished or `max_epochs` are done.

    Raises:
        DivergedError: the loss is not finite; names epoch, step and images.
        ConfigError: `batch_size` cannot be shared out, or an option does not work on this device.
        DataError: a split without images, or with too few.
    """
    for dataset in (train_set, val_set):
        if not len(dataset):
            raise DataError(f"The {dataset.split} split of {dataset.name} has no images; training needs some.")
    plan = EpochPlan(len(train_set), recipe.loop.batch_size, accelerator.num_processes, recipe.loop.accumulate)
    set_up(model, recipe, accelerator)
    rank = accelerator.process_index
    loading = {"process": rank, "workers": workers, "pin_memory": accelerator.device.type == "cuda"}
    run = _Run(
        recipe=recipe,
        accelerator=accelerator,
        state=TrainingState() if state is None else state,
        plan=plan,
        loader=training_loader(train_set, plan, recipe.loop.seed, **loading),
        val_loader=validation_loader(
            val_set, min(recipe.loop.batch_size, VALIDATION_BATCH), processes=accelerator.num_processes, **loading
        ),
        progress=progress and accelerator.is_main_process,
        save=save or (lambda parts: None),
    )
    state, phases = run.state, recipe.phases.encoder
    while state.phase < len(phases):
        phase = Phase(model, recipe, accelerator, phases[state.phase])
        if state.parts is not None:
            phase.load_state_dict(state.parts)
            state.parts = None
        while state.phase_epochs < recipe.schedule.max_epochs and not phase.schedule.finished:
            yield run.epoch(phase)
            run.save(state.to_dict(phase.state_dict()))
        state.phase += 1
        if state.phase < len(phases):
            assert state.phase_best is not None  # a phase's last epoch is evaluated
            model.load_state_dict(state.phase_best.weights)
            state.phase_epochs, state.phase_best = 0, None


@dataclass
class _Run:
    """What stays the same from phase to phase."""

    recipe: Recipe
    accelerator: Accelerator
    state: TrainingState
    plan: EpochPlan
    loader: DataLoader[Batch]
    val_loader: DataLoader[Batch]
    progress: bool
    save: Save
    seen: Validation | None = None

    def figures(self) -> dict[str, str]:
        """What the bar shows: this epoch's mean loss, and the last evaluation's figures that are defined."""
        loss = {"loss": self.state.loss / self.state.images} if self.state.images else {}
        seen = {} if self.seen is None else {"AUROC": self.seen.auroc, "point acc.": self.seen.point_accuracy}
        return {name: f"{value:.3f}" for name, value in (loss | seen).items() if not math.isnan(value)}

    def epoch(self, phase: Phase) -> Epoch:
        """Train what is left of an epoch, evaluate, and remember the best weights."""
        state, schedule = self.state, self.recipe.schedule
        self.train(phase)
        loss, images, trained = state.loss / state.images, state.images, state.seconds
        started = time.perf_counter()
        state.epochs, state.phase_epochs = state.epochs + 1, state.phase_epochs + 1
        validation, best = None, False
        if state.phase_epochs % schedule.evaluate_every == 0 or state.phase_epochs == schedule.max_epochs:
            with phase.judged():
                validation = self.seen = self.validate(phase)
                best = self.remember(phase, validation)
            phase.schedule.observe(validation.loss)
        state.begin_epoch()
        return Epoch(
            epoch=state.epochs,
            lr=phase.optimizer.param_groups[0]["lr"],
            loss=loss,
            images_per_second=images / trained,
            seconds=trained + time.perf_counter() - started,
            validation=validation,
            best=best,
            phase=state.phase + 1,
        )

    def train(self, phase: Phase) -> None:
        """The steps of an epoch from `state.step` on."""
        state, loop, planned = self.state, self.recipe.loop, self.recipe.schedule.max_epochs
        order = self.loader.batch_sampler
        assert isinstance(order, EpochOrder)  # of `training_loader`
        order.begin(state.epochs, state.step)
        phase.network.train()
        left = bar(
            steps(self.loader, self.plan, state.step, self.accelerator.process_index),
            f"epoch {state.epochs + 1}/{planned * len(self.recipe.phases.encoder)}",
            sum(self.plan.size(step) for step in range(state.step, self.plan.steps)),
            self.progress,
            self.figures,
        )
        begun = time.perf_counter() - state.seconds
        for step in left:
            done = (state.phase_epochs + step.number / self.plan.steps) / planned
            phase.set_rates(done)
            loss = train_step(
                phase.network,
                step,
                phase.optimizer,
                self.accelerator,
                phase.objective,
                progress=done,
                seeds=(loop.seed, state.epochs),
                channels_last=loop.channels_last,
                clip_grad_norm=loop.clip_grad_norm,
            )
            phase.stepped()
            state.loss, state.images = state.loss + loss * len(step), state.images + len(step)
            state.step, state.seconds = step.number + 1, time.perf_counter() - begun
            if loop.save_every and state.step % loop.save_every == 0 and state.step < self.plan.steps:
                self.save(state.to_dict(phase.state_dict()))

    def validate(self, phase: Phase) -> Validation:
        """The split on the weights as they are, shared out over the processes."""
        share_buffers(self.accelerator, phase.model)
        order = self.val_loader.batch_sampler
        assert isinstance(order, InOrder)  # of `validation_loader`
        mine = order.indices
        batches = bar(self.val_loader, "validation", len(mine), self.progress)
        with self.accelerator.autocast():
            keeper = score(
                phase.model.eval(),
                batches,
                self.accelerator.device,
                indices=mine,
                channels_last=self.recipe.loop.channels_last,
            )
        return judge(keeper, from_all(self.accelerator, keeper.state()))

    def remember(self, phase: Phase, validation: Validation) -> bool:
        """Keep the weights if they are the phase's best; whether they are the run's."""
        state = self.state
        if state.phase_best is not None and validation.loss >= state.phase_best.loss:
            return False
        state.phase_best = Best(state.epochs, validation.loss, snapshot(phase.model))
        if state.best is not None and validation.loss >= state.best.loss:
            return False
        state.best = state.phase_best
        return True
