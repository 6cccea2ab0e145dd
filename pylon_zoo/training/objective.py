"""What a step minimises: the labels' cross-entropy, and what a recipe's `[loss]` and `[consistency]` add to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pylon_zoo.data.sample import Batch
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.heads import ConvHead
from pylon_zoo.models.pooling import build_pooling
from pylon_zoo.models.pylon import Pylon
from pylon_zoo.training.consistency import (
    View,
    disagreement,
    draw_rectangle,
    draw_views,
    make_views,
    swap_errors,
    swapped,
    tile_errors,
    tiled,
)
from pylon_zoo.training.loss import known_labels, summed_bce
from pylon_zoo.training.order import VIEW, mixed
from pylon_zoo.training.recipe import SHARPNESS, LossSection, Recipe

LEVELS_APART = ("levels", "fine_first")
"""Settings of `[loss]` that look at the levels of a heatmap, which only PYLON's has."""

Pool = Callable[[Tensor], Tensor]
"""Heatmaps (N, K, h, w) → logits (N, K)."""


@dataclass(frozen=True)
class Part:
    """What a process computes in one forward and backward pass of a step.

    Args:
        batch: on the process's device.
        seeds: numbers that say which images of the run these are: run, epoch, and each image's place in the epoch.
        progress: share of the phase that is done, in [0, 1].
    """

    batch: Batch
    seeds: tuple[int, int, Sequence[int]]
    progress: float

    def generator(self, image: int) -> torch.Generator:
        """For what is drawn for one image: the same, however a step is shared out."""
        run, epoch, places = self.seeds
        return torch.Generator().manual_seed(mixed(VIEW, run, epoch, places[image]) % 2**63)


class Objective:
    """The terms of a recipe's loss. Each is a sum over images, divided by what is known before: labels alone.

    So the loss of a step is the same however its images are shared out over processes and parts.

    Args:
        recipe: of the run.
        model: that is trained.

    Attributes:
        output: what is asked of the network: `"logits"`, or, stacked (levels, N, K, h, w), `"heatmap"` or `"levels"`.

    Raises:
        ConfigError: the recipe asks for what the model has not.
    """

    def __init__(self, recipe: Recipe, model: HeatmapClassifier) -> None:
        self.loss, self.consistency, self.model = recipe.loss, recipe.consistency, model
        asked = self.consistency.views or self.consistency.swap or self.consistency.tiles or self.loss.pooling
        apart = [name for name in LEVELS_APART if getattr(self.loss, name)]
        self.output = "levels" if apart else "heatmap" if asked else "logits"
        if self.output != "logits" and not model.has_heatmap:
            raise ConfigError(
                f"{recipe.origin.at('consistency')} and {recipe.origin.at('loss')} ask for heatmaps, which "
                f"{model.architecture} has not. Leave them out, or take a head with a heatmap."
            )
        if apart and not isinstance(model, Pylon):
            raise ConfigError(
                f"{recipe.origin.at(f'loss.{apart[0]}')} is for pylon models: the heatmap of {model.architecture} is "
                "not a sum of its levels. Set it to 0."
            )

    @property
    def forwarded(self) -> float:
        """How many images are computed for each that is counted."""
        return (2 if self.consistency.views else 1) + bool(self.consistency.swap) + bool(self.consistency.tiles)

    def counts(self, batches: Sequence[Batch]) -> Tensor:
        """(2,) what a process's sums are divided by, once added up: known labels, and classes known to be present."""
        known = sum(int(known_labels(batch.targets)) for batch in batches)
        present = sum(int((batch.targets == 1).sum()) for batch in batches)
        return torch.tensor([known, present], dtype=torch.float32)

    def sums(self, network: nn.Module, part: Part) -> Tensor:
        """(2,) sums of the terms that are divided by known labels, and by present classes; differentiable.

        Args:
            network: images to `output`.
            part: whose turn it is.
        """
        images, targets = part.batch.images, part.batch.targets
        if self.output == "logits":
            loss = summed_bce(network(images), targets)
            return torch.stack([loss, loss.new_zeros(())])
        size = (images.shape[-2], images.shape[-1])
        grid, weight = self.model.cell_grid(size), min(1.0, part.progress / max(self.consistency.ramp, 1e-9))
        pool = annealed(self.loss, part.progress) or self.model.pooling

        views = self._views(part, size)
        copies = [make_views(images, mine) for mine in views] or [images]
        rectangle = draw_rectangle(size, part.generator(0)) if self.consistency.swap and len(images) > 1 else None
        shown = copies if rectangle is None else [*copies, swapped(copies[0], rectangle)]
        levels = network(torch.cat(shown))
        maps = self._summed(levels, part.progress).split(len(images))

        losses = [summed_bce(pool(one), targets) for one in maps[: len(copies)]]
        labels = sum(losses[1:], losses[0]) / len(losses)
        if self.loss.levels:
            labels = labels + self.loss.levels * self._levels_loss(
                levels[:, : len(images) * len(copies)], targets, pool
            )
        present = targets == 1
        places = labels.new_zeros(())
        if views:
            apart = disagreement(maps[0], maps[1], (views[0], views[1]), grid, size)
            places = places + weight * self.consistency.views * (apart * present).sum()
        if rectangle is not None:
            apart, follows = swap_errors(maps[-1], maps[0], rectangle, grid)
            either = present | present.roll(1, 0)
            places = places + weight * self.consistency.swap * (apart * either).sum() / 2
            labels = labels + weight * self.consistency.swap * (follows * ~targets.isnan()).sum()
        if self.consistency.tiles:
            quarters = self._quarters(network, copies[0], maps[0], part.progress)
            places = places + weight * self.consistency.tiles * (tile_errors(quarters, maps[0]) * present).sum()
        return torch.stack([labels, places])

    def _views(self, part: Part, size: tuple[int, int]) -> list[list[View]]:
        """Two ways to hold each image; none where they are not compared."""
        if not self.consistency.views:
            return []
        orientation = self.consistency.orientation
        drawn = [draw_views(size, orientation, part.generator(image)) for image in range(len(part.batch))]
        return [list(views) for views in zip(*drawn, strict=True)]

    def _summed(self, levels: Tensor, progress: float) -> Tensor:
        """(N, K, h, w) heatmaps of their levels, of the coarsest of which `fine_first` holds a part back."""
        heard = min(1.0, progress / self.loss.fine_first) if self.loss.fine_first else 1.0
        whole = levels.sum(0)
        return whole if heard == 1 else whole - (1 - heard) * (levels[0] - self._bias())

    def _bias(self) -> Tensor:
        """(1, K, 1, 1) the head's, which the coarsest level holds."""
        assert isinstance(self.model.head, ConvHead)  # as of every model that gives levels
        return self.model.head.bias.float().view(1, -1, 1, 1)

    def _levels_loss(self, levels: Tensor, targets: Tensor, pool: Pool) -> Tensor:
        """Mean over levels (and views) of the loss of each level's own map."""
        own = [level if number == 0 else level + self._bias() for number, level in enumerate(levels)]
        losses = [summed_bce(pool(maps), targets) for level in own for maps in level.split(len(targets))]
        return torch.stack(losses).mean()

    def _quarters(self, network: nn.Module, images: Tensor, maps: Tensor, progress: float) -> Tensor:
        if images.shape[2] % 2 == 0 and images.shape[3] % 2 == 0:
            quarters = self._summed(network(tiled(images)), progress)
            if (2 * quarters.shape[2], 2 * quarters.shape[3]) == maps.shape[-2:]:
                return quarters
        raise ConfigError(
            f"consistency.tiles: the quarters of images of {images.shape[2]}×{images.shape[3]} pixels do not have "
            f"quarters of the {maps.shape[2]}×{maps.shape[3]} cells of {self.model.architecture}. Take a size that is "
            "twice a multiple of its coarsest stride."
        )


def annealed(loss: LossSection, progress: float) -> nn.Module | None:
    """The pooling of a moment in training; None where the model's own is used.

    Example:
        >>> annealed(LossSection(pooling="topk", start=0.02, end=0.002, until=0.5), progress=0.25).k
        0.0063...
    """
    if not loss.pooling:
        return None
    value = loss.start * (loss.end / loss.start) ** min(1.0, progress / loss.until)
    return build_pooling(loss.pooling, **{SHARPNESS[loss.pooling]: value})
