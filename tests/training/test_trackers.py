"""What a tracker is told is what it has, and it is there before the run is."""

from __future__ import annotations

import math

import pytest
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import pylon_zoo.optional
from pylon_zoo.errors import MissingDependencyError, UnknownNameError
from pylon_zoo.training.loop import Epoch, Validation
from pylon_zoo.training.trackers import TRACKERS, check_trackers, scalars


def epochs() -> list[Epoch]:
    """One epoch that was evaluated and one that was not."""
    rest = {"lr": 1e-3, "images_per_second": 10.0, "seconds": 2.0}
    return [
        Epoch(epoch=1, loss=0.75, validation=None, best=False, **rest),
        Epoch(epoch=2, loss=0.5, validation=Validation(0.25, 0.875, math.nan), best=True, **rest),
    ]


def test_tensorboard_has_every_epoch(tmp_path):
    accelerator = Accelerator(cpu=True, log_with=check_trackers(["tensorboard"]), project_dir=tmp_path)
    accelerator.init_trackers("run")
    for epoch in epochs():
        accelerator.log(scalars(epoch), step=epoch.epoch)
    accelerator.end_training()
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    read = {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert read["loss"] == [(1, 0.75), (2, 0.5)]
    assert read["best"] == [(1, 0), (2, 1)]
    assert (read["validation/loss"], read["validation/auroc"]) == ([(2, 0.25)], [(2, 0.875)])
    assert "validation/point_accuracy" not in read, "it is NaN"


def test_names_are_accelerates():
    assert set(TRACKERS) <= set(LOGGER_TYPE_TO_CLASS)
    assert check_trackers(["tensorboard", "tensorboard"]) == ["tensorboard"]
    with pytest.raises(UnknownNameError, match=r"'wandbb'\. Did you mean 'wandb'"):
        check_trackers(["tensorboard", "wandbb"])
    with pytest.raises(UnknownNameError, match="There are tensorboard, wandb"):
        check_trackers(["xyz"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, name):
    def missing(module: str) -> None:
        raise ModuleNotFoundError(module)

    monkeypatch.setattr(pylon_zoo.optional, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=rf"'{name}'.*pylon-zoo\[trackers\]"):
        check_trackers([name])
