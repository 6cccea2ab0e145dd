"""From a recipe to the Hub and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub

import pylon_zoo as pz
from pylon_zoo.cli.main import main
from pylon_zoo.weights.checkpoint import load_checkpoint

REPO = "org/chest-xray"


def test_a_run_that_was_trained(tmp_path: Path, hub: LoopbackHub) -> None:
    """By the command line alone, with figures that were measured."""
    pytest.importorskip("accelerate")
    run, figures = str(tmp_path / "run"), str(tmp_path / "figures")
    small = {"data.size": 64, "data.train.count": 8, "data.val.count": 16, "schedule.max_epochs": 1}
    small |= {"loop.batch_size": 4, "model.architecture": '"pylon_test_resnet"', "model.options": "{}"}
    options = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
    assert main(["train", "phantom_cxr_pylon", "--out", run, "--device", "cpu", "--quiet", *options]) == 0
    evaluate = [
        "evaluate",
        "--data",
        "phantom",
        "--split",
        "test",
        "--checkpoint",
        run,
        "--out",
        figures,
        "--device",
        "cpu",
    ]
    assert main([*evaluate, "--device", "cpu", "--quiet"]) == 0
    measured = ["--evaluation", figures, "--command", " ".join(["pylon-zoo", *evaluate])]
    assert main(["weights", "publish", run, "--repo", REPO, *measured]) == 0
    card = hub.repos[REPO].commits[-1].files["README.md"].decode()
    assert "| **macro average** |" in card
    assert "phantom_cxr, split train" in card
    assert "| Validation while training | dataset phantom_cxr, epoch 1" in card
    images = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        again = pz.create_model("pylon_test_resnet", pretrained=f"hf-hub:{REPO}")
        assert torch.equal(again(images), load_checkpoint(run)(images))
