"""What a run needs to go on from where it was: one value, kept in one file, read without running anything in it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pylon_zoo.errors import DataError, first_line

FORMAT = 1


@dataclass
class Best:
    """The weights with the lowest validation loss so far.

    Args:
        epoch: counted from 1 through all phases.
        loss: its validation loss.
        weights: the model's state dict, on the CPU.
    """

    epoch: int
    loss: float
    weights: dict[str, Tensor]


@dataclass
class TrainingState:
    """Where a run is. `fit` keeps it up to date.

    Args:
        phase: that is running, from 0.
        phase_epochs: finished in that phase.
        epochs: finished in all.
        step: optimizer steps done in the epoch that is running.
        loss: sum over those steps of loss × images.
        images: of those steps.
        seconds: spent on them.
        best: of the run.
        phase_best: of the phase.
        parts: state dicts of model, optimizer and so on, to begin with; None at the start of a run.
    """

    phase: int = 0
    phase_epochs: int = 0
    epochs: int = 0
    step: int = 0
    loss: float = 0.0
    images: int = 0
    seconds: float = 0.0
    best: Best | None = None
    phase_best: Best | None = None
    parts: dict[str, Any] | None = field(default=None, repr=False)

    def begin_epoch(self) -> None:
        """Nothing of the next epoch is done."""
        self.step, self.loss, self.images, self.seconds = 0, 0.0, 0, 0.0

    def to_dict(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """Everything as tables, numbers and tensors.

        Args:
            parts: as they are now.
        """
        mine = {one.name: getattr(self, one.name) for one in fields(self)}
        bests = {name: None if mine[name] is None else dict(vars(mine[name])) for name in ("best", "phase_best")}
        return {**mine, **bests, "parts": dict(parts)}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> TrainingState:
        """Back from `to_dict`."""
        bests = {name: None if table[name] is None else Best(**table[name]) for name in ("best", "phase_best")}
        return cls(**{**table, **bests})


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's weights and statistics, on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


@contextmanager
def holding(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Other weights in a model for the length of a `with`, then the very weights that were there."""
    own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)
    try:
        yield
    finally:
        model.load_state_dict(own)


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """A state of tables, numbers, strings and tensors as a file's content.

    Example:
        >>> from_bytes(to_bytes({"step": 3}), Path("state.pt"))
        {'step': 3}
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "state": dict(state)}, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes, path: Path) -> dict[str, Any]:
    """Back from `to_bytes`, tensors on the CPU. Anything but tables, numbers, strings and tensors is refused unread.

    Args:
        content: of the file.
        path: the file, for messages.

    Raises:
        DataError: it is damaged, or of another version.
    """
    advice = "It cannot be gone on from; start the run again with --overwrite."
    try:
        table = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"{path} is damaged, or no state of a run ({first_line(error)}). {advice}") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise DataError(f"{path} was written by another version of pylon_zoo. {advice}")
    state: dict[str, Any] = table["state"]
    return state
