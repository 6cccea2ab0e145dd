"""An average of the weights along the run, which often judges better than the last of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.training.state import holding


class WeightAverage:
    """Exponential moving average of a model's state dict, with timm's warm-up of the decay (`ModelEmaV3`).

    After update t the average is decay_t · average + (1 - decay_t) · weights, where decay_t = min(decay,
    1 - t^(-2/3)): the first update copies the weights, and the average looks back over a growing share of the run until
    the decay is reached. As timm does by default, floating-point buffers (BatchNorm's mean and variance) are averaged
    like parameters, and the others (BatchNorm's count of batches) copied.

    Args:
        model: what is averaged; the average starts as its weights, on its device.
        decay: in [0, 1), what it is once warmed up; 0.999 looks back over about 1000 updates.

    Raises:
        ConfigError: a decay out of range.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> WeightAverage(model, decay=0.9).update(model)
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"A decay of {decay} averages nothing; give a number from 0 to below 1, such as 0.999.")
        self.decay, self.updates = decay, 0
        self._average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's present weights into the average; call it after every optimizer step."""
        weight = 1 - min(self.decay, 1 - (self.updates + 1) ** (-2 / 3))
        self.updates += 1
        for name, tensor in model.state_dict().items():
            kept = self._average[name]
            if kept.is_floating_point():
                kept.lerp_(tensor.to(kept.device), weight)
            else:
                kept.copy_(tensor)

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        """The average in the model's place for the length of a `with`, then the very weights that were there.

        Nothing else may change the model's weights meanwhile: what it does to them is lost.
        """
        return holding(model, self._average)

    def state_dict(self) -> dict[str, Any]:
        """`decay`, `updates` and `average`, a state dict; tensors are the average's own, not copies."""
        return {"decay": self.decay, "updates": self.updates, "average": dict(self._average)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`, on the device where the average is.

        Raises:
            WeightsError: it is the average of another model; names the first tensor that differs.
        """
        average: Mapping[str, Tensor] = state["average"]
        shapes, own = ({name: one.shape for name, one in kept.items()} for kept in (average, self._average))
        if different := [name for name in {**own, **shapes} if own.get(name) != shapes.get(name)]:
            raise WeightsError(
                f"The saved average of weights is of another model: {different[0]} is {shapes.get(different[0])} there "
                f"and {own.get(different[0])} here. Resume with the recipe that began the run."
            )
        self.decay, self.updates = state["decay"], state["updates"]
        for name, tensor in average.items():
            self._average[name].copy_(tensor)
