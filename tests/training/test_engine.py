"""Accelerate, set up anew for every run."""

from __future__ import annotations

import sys

import pytest
import torch

from pylon_zoo.errors import ConfigError, MissingDependencyError
from pylon_zoo.training.engine import make_accelerator


def test_runs_of_one_process_may_differ_in_precision():
    assert make_accelerator("cpu", "bf16").mixed_precision == "bf16"
    assert make_accelerator("cpu", "no").mixed_precision == "no"


def test_half_precision_becomes_full_on_a_cpu():
    accelerator = make_accelerator("cpu", "fp16")
    assert (accelerator.device.type, accelerator.mixed_precision) == ("cpu", "no")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="needs a machine without an accelerator")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"--device mps is not available here\. Choose --device cpu"):
        make_accelerator("mps", "no")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="needs a machine without an accelerator")
def test_a_gpu_that_is_named_becomes_the_current_one(monkeypatch):
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    with pytest.raises(ConfigError, match="cuda:1 is not available here"):  # Accelerate finds none
        make_accelerator("cuda:1", "no")
    assert current == [torch.device("cuda:1")]


def test_missing_accelerate_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingDependencyError, match=r"pylon-zoo\[train\]"):
        make_accelerator("cpu", "no")
