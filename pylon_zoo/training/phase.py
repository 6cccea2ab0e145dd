"""One phase of a run: which parameters are trained, with an optimizer and a schedule of their own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.optim import Optimizer

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.pylon import Pylon
from pylon_zoo.training.ema import WeightAverage
from pylon_zoo.training.objective import Objective
from pylon_zoo.training.recipe import OPTIMIZERS, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator


class Network(nn.Module):
    """What Accelerate may wrap and change, so that the model itself stays as it is.

    Args:
        model: that is trained.
        output: what it is asked for, see `pylon_zoo.training.objective.Objective`.
        compiled: compile that pass.
    """

    def __init__(self, model: HeatmapClassifier, output: str = "logits", compiled: bool = False) -> None:
        super().__init__()
        self.model = model
        self.run: Callable[[Tensor], Tensor] = OUTPUTS[output].__get__(model)
        if compiled:
            self.run = torch.compile(self.run)

    def forward(self, images: Tensor) -> Tensor:
        """The model's logits (N, K), or its heatmap or the parts of it, (levels, N, K, h, w)."""
        return self.run(images)


def _logits(model: HeatmapClassifier, images: Tensor) -> Tensor:
    return model(images)


def _heatmap(model: HeatmapClassifier, images: Tensor) -> Tensor:
    return model.forward_heatmap(images).unsqueeze(0)


def _levels(model: HeatmapClassifier, images: Tensor) -> Tensor:
    assert isinstance(model, Pylon)  # as `Objective` has made sure
    return torch.stack(model.forward_levels(images))


OUTPUTS: dict[str, Callable[[HeatmapClassifier, Tensor], Tensor]] = {
    "logits": _logits,
    "heatmap": _heatmap,
    "levels": _levels,
}
"""What a network is asked for → how a model is asked."""


class Phase:
    """Everything that is fresh in a phase.

    Args:
        model: on the accelerator's device.
        recipe: of the run.
        accelerator: of the run.
        encoder: `"trained"` or `"frozen"`.
    """

    def __init__(self, model: HeatmapClassifier, recipe: Recipe, accelerator: Accelerator, encoder: str) -> None:
        if encoder == "frozen":
            model.freeze_encoder(norm_stats=recipe.phases.norm_stats)
        else:
            model.unfreeze_encoder()
        self.model, self.accelerator = model, accelerator
        self.schedule = recipe.make_schedule()
        self.average = WeightAverage(model, recipe.loop.ema) if recipe.loop.ema else None
        accelerator.free_memory()  # of the phase before
        self.objective = Objective(recipe, model)
        network = Network(model, self.objective.output, recipe.loop.compile)
        optimizer = make_optimizer(model, recipe)
        self.rates = tuple(group["lr"] for group in optimizer.param_groups)
        self.network, self.optimizer = accelerator.prepare(network, optimizer)

    def set_rates(self, progress: float) -> None:
        """Bring each group's learning rate to where the schedule has it.

        Args:
            progress: share of the phase's optimizer steps that is done.
        """
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.schedule.scale(progress)

    def stepped(self) -> None:
        """Take the weights after an optimizer step into their average."""
        if self.average is not None:
            self.average.update(self.model)

    def judged(self) -> AbstractContextManager[None]:
        """The weights that are validated and kept in the model's place: their average, where there is one."""
        return nullcontext() if self.average is None else self.average.applied(self.model)

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on later, the model's weights among it."""
        scaler = self.accelerator.scaler
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "average": self.average.state_dict() if self.average is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])


def set_up(model: HeatmapClassifier, recipe: Recipe, accelerator: Accelerator) -> None:
    """What holds for all phases: device, memory layout, checkpointing, synchronised batch normalisation.

    Warns where `compile` is not worth it.

    Raises:
        ConfigError: `sync_batchnorm` for several processes without GPUs.
    """
    loop = recipe.loop
    if loop.sync_batchnorm and accelerator.num_processes > 1:
        if accelerator.device.type != "cuda":
            raise ConfigError(
                f"{recipe.origin.at('loop.sync_batchnorm')} needs a GPU for each process; this run is on "
                f"{accelerator.device.type}. Set it to false, or train in one process."
            )
        convert_sync_batchnorm(model)
    if loop.compile and accelerator.device.type == "cpu":
        warnings.warn(
            f"{recipe.origin.at('loop.compile')} is not worth it on a processor: compiled networks were no faster than "
            "eager ones there (docs/speed.md), and compiling takes a minute. Set it to false.",
            stacklevel=2,
        )
    model.to(accelerator.device)
    if loop.channels_last:
        model.to(memory_format=torch.channels_last)
    model.set_grad_checkpointing(loop.checkpointing)


def make_optimizer(model: HeatmapClassifier, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer over the parameters that are to be trained.

    With a rate of its own the encoder is a group of its own, the last one; so the first group's rate is the recipe's.
    """
    settings = recipe.optimizer
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if settings.encoder_lr is not None:
        encoder = set(model.encoder.parameters())
        groups = [
            {"params": [parameter for parameter in parameters if parameter not in encoder]},
            {"params": [parameter for parameter in parameters if parameter in encoder], "lr": settings.encoder_lr},
        ]
    optimizer: Optimizer = getattr(torch.optim, OPTIMIZERS[settings.name])(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        betas=tuple(settings.betas),
        fused=settings.fused or None,  # False would also take PyTorch's choice among the other ways, on GPUs
    )
    return optimizer
