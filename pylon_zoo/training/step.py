"""One optimizer step: the mean loss of a global batch, whatever number of processes and parts it is spread over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from pylon_zoo.data.sample import Batch
from pylon_zoo.training.loss import DivergedError
from pylon_zoo.training.objective import Objective, Part
from pylon_zoo.training.order import STEP, EpochPlan, mixed
from pylon_zoo.training.processes import from_all

if TYPE_CHECKING:
    from accelerate import Accelerator

SHOWN_PATHS = 64
"""A message about a batch names so many of its images, and how many more there are."""


@dataclass(frozen=True)
class Step:
    """What one process has of an optimizer step.

    Args:
        number: within the epoch, from 0.
        batches: its parts.
        places: of their images in the epoch's order.
        images: of the whole step, over all processes.
    """

    number: int
    batches: Sequence[Batch]
    places: Sequence[range]
    images: int

    def __len__(self) -> int:
        """The number of images, over all processes."""
        return self.images


def steps(loader: DataLoader[Batch], plan: EpochPlan, first: int = 0, process: int = 0) -> Iterator[Step]:
    """The steps of an epoch from the batches of a process's training loader that begins with step `first`."""
    batches = iter(loader)
    for number in range(first, plan.steps):
        parts = [next(batches) for _ in range(plan.accumulate)]
        yield Step(number, parts, plan.share(number, process), plan.size(number))


def train_step(
    network: nn.Module,
    step: Step,
    optimizer: Optimizer,
    accelerator: Accelerator,
    objective: Objective,
    *,
    progress: float = 0.0,
    seeds: tuple[int, int] = (0, 0),
    channels_last: bool = False,
    clip_grad_norm: float | None = None,
) -> float:
    """Change the weights once.

    The loss is the mean over the known labels of the whole step, and what is added to it is the mean over those that
    say present. DDP averages the processes' gradients, so each process differentiates its sums times processes ÷ the
    labels of all.

    Args:
        network: in training mode.
        step: this process's share.
        optimizer, accelerator: prepared for each other and the network.
        objective: what is minimised.
        progress: share of the phase that is done, in [0, 1].
        seeds: of the run, and the epoch from 0; dropout and the like depend on them, the step and the process alone.
        channels_last: hand images to the network channels-last in memory.
        clip_grad_norm: the largest norm of all gradients together; None leaves them.

    Returns:
        The loss of the whole step.

    Raises:
        DivergedError: it is not finite; the weights are then those before the step. Names all images of it.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    device = accelerator.device
    counts = total(accelerator, objective.counts(step.batches)).clamp(min=1).tolist()
    optimizer.zero_grad(set_to_none=True)
    losses = torch.zeros((), device=device)
    for number, batch in enumerate(step.batches):
        torch.manual_seed(mixed(STEP, *seeds, step.number, number, accelerator.process_index))
        ready = replace(batch, images=batch.model_input(device, layout), finish=None)
        moved = ready.to(device, non_blocking=True)
        synced = number + 1 == len(step.batches)
        with nullcontext() if synced else accelerator.no_sync(network):
            part = Part(moved, (*seeds, step.places[number]), progress)
            loss = sum(one / count for one, count in zip(objective.sums(network, part), counts, strict=True))
            accelerator.backward(loss * accelerator.num_processes)
        losses += loss.detach()
    value = float(total(accelerator, losses))
    if not math.isfinite(value):
        mine = [path for batch in step.batches for path in batch.paths]
        paths = [path for part in from_all(accelerator, mine) for path in part]
        raise DivergedError(
            f"The loss became {value} in epoch {seeds[1] + 1}, step {step.number + 1}, whose images are "
            f"{listed(paths)}. Look at them, lower optimizer.lr, or set loop.precision to 'no'."
        )
    if clip_grad_norm is not None:
        accelerator.clip_grad_norm_(network.parameters(), clip_grad_norm)
    optimizer.step()
    return value


def total(accelerator: Accelerator, value: Tensor) -> Tensor:
    """A number added up over all processes; of a single one as it is, so that nothing waits for a GPU."""
    if accelerator.num_processes == 1:
        return value
    added: Tensor = accelerator.reduce(value.to(accelerator.device), "sum")
    return added


def listed(paths: Sequence[str], limit: int = SHOWN_PATHS) -> str:
    """Paths for a message.

    Example:
        >>> listed(["a.png", "b.png", "c.png"], limit=2)
        "'a.png', 'b.png' and 1 more"
    """
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(map(repr, paths[:limit])) + more
