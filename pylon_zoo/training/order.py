"""Which image comes when, augmented how: decided by seed, epoch and index, not by who runs it or where it stopped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from pylon_zoo.data.dataset import LabelledDataset
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import ConfigError, DataError

ORDER, SAMPLE, STEP, VIEW = range(4)
"""What random numbers are for; one seed gives each its own."""


def mixed(*numbers: int) -> int:
    """One 64-bit seed from several numbers.

    Args:
        *numbers: at least 0; the first is `ORDER`, `SAMPLE`, `STEP` or `VIEW`.

    Example:
        >>> mixed(ORDER, 0, 1) == mixed(ORDER, 0, 1), mixed(ORDER, 0, 1) == mixed(STEP, 0, 1)
        (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class EpochPlan:
    """How an epoch's images are shared out over optimizer steps, processes and the parts they accumulate.

    A step's images are consecutive in the epoch's order; process p takes the p-th of equal runs of them, and each of
    its parts a run of that. The last step may be smaller: its parts then differ by one image at most. It is left out
    where one of them would have a single image (and full ones more), because batch normalisation cannot train on one.

    Args:
        images: of the training split.
        batch_size: images per optimizer step, over all processes and parts.
        processes: that train together.
        accumulate: parts of a process's share, one after the other.

    Raises:
        ConfigError: `batch_size` does not divide; says which sizes would.
        DataError: fewer images than parts.

    Example:
        >>> plan = EpochPlan(images=11, batch_size=8, processes=2, accumulate=2)
        >>> plan.steps, plan.share(0, process=1)
        (1, [range(4, 6), range(6, 8)])
    """

    images: int
    batch_size: int
    processes: int = 1
    accumulate: int = 1

    def __post_init__(self) -> None:
        if rest := self.batch_size % self.parts:
            low = self.batch_size - rest
            fitting = " or ".join(str(size) for size in (low, low + self.parts) if size)
            raise ConfigError(
                f"loop.batch_size = {self.batch_size} cannot be shared out evenly over {self.processes} process(es) "
                f"that accumulate {self.accumulate} part(s) each. Take {fitting}, or change loop.accumulate."
            )
        if self.images < self.parts:
            raise DataError(
                f"{self.images} training images are too few for {self.processes} process(es) that accumulate "
                f"{self.accumulate} part(s) each. Take fewer."
            )

    @property
    def parts(self) -> int:
        """Forward passes per optimizer step, over all processes."""
        return self.processes * self.accumulate

    @property
    def steps(self) -> int:
        """Optimizer steps per epoch."""
        whole, rest = divmod(self.images, self.batch_size)
        if not whole:
            return 1
        smallest = min(2, self.batch_size // self.parts)
        return whole + (rest // self.parts >= smallest)

    def size(self, step: int) -> int:
        """Images of an optimizer step, from 0, over all processes."""
        return min(self.batch_size, self.images - step * self.batch_size)

    def share(self, step: int, process: int) -> list[range]:
        """Places in the epoch's order that a process takes in a step, a range for each of its parts."""
        start, size = step * self.batch_size, self.size(step)
        cuts = [start + part * size // self.parts for part in range(self.parts + 1)]
        mine = range(process * self.accumulate, (process + 1) * self.accumulate)
        return [range(cuts[part], cuts[part + 1]) for part in mine]


class EpochOrder(Sampler[list[tuple[int, int]]]):
    """One process's batches of an epoch as lists of (epoch, index), for `SeededSamples`.

    Args:
        plan: of the epoch.
        seed: of the run.
        process: whose batches.

    Example:
        >>> order = EpochOrder(EpochPlan(images=4, batch_size=2), seed=0)
        >>> order.begin(epoch=1)
        >>> sorted(pair for batch in order for pair in batch)
        [(1, 0), (1, 1), (1, 2), (1, 3)]
    """

    def __init__(self, plan: EpochPlan, seed: int, process: int = 0) -> None:
        self.plan, self.seed, self.process = plan, seed, process
        self.epoch, self.first_step = 0, 0

    def begin(self, epoch: int, step: int = 0) -> None:
        """Say which epoch the next iteration is of, and which step it begins with; both from 0."""
        self.epoch, self.first_step = epoch, step

    def __len__(self) -> int:
        return (self.plan.steps - self.first_step) * self.plan.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = torch.Generator().manual_seed(mixed(ORDER, self.seed, self.epoch))
        order = torch.randperm(self.plan.images, generator=generator).tolist()
        for step in range(self.first_step, self.plan.steps):
            for part in self.plan.share(step, self.process):
                yield [(self.epoch, order[place]) for place in part]


class SeededSamples(Dataset[Sample]):
    """A dataset whose augmentation of an image depends on seed, epoch and index alone: not on the worker that loads it.

    Args:
        dataset: with its training transform.
        seed: of the run.

    Example:
        >>> from pylon_zoo.data.phantom import PhantomCxr
        >>> SeededSamples(PhantomCxr("train", size=32, count=2), seed=0)[3, 1].image.shape
        torch.Size([1, 32, 32])
    """

    def __init__(self, dataset: LabelledDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: tuple[int, int]) -> Sample:
        """A sample by (epoch, index); the generators of torch, NumPy and Python are left as they were."""
        seed = mixed(SAMPLE, self.seed, *place)
        kept = random.getstate(), np.random.get_state()
        try:
            with torch.random.fork_rng(devices=[]):
                # The CPU's alone: torch.manual_seed would also seed the GPU, which a dataset does not draw from.
                torch.default_generator.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed % 2**32)
                return self.dataset[place[1]]
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
