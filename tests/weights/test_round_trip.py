"""From a recipe to the Hub and back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from fresh_processes import loaded_in_fresh_processes
from loopback_hub import LoopbackHub

from pylon_zoo.cli.main import main
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.splits import split_hash
from pylon_zoo.weights.checkpoint import load_checkpoint

REPO = "org/chest-xray"


@pytest.mark.slow
def test_a_run_that_was_trained(tmp_path: Path, hub: LoopbackHub) -> None:
    """By the command line alone, with figures that were measured."""
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
    assert main([*evaluate, "--quiet"]) == 0
    measured = ["--evaluation", figures, "--command", " ".join(["pylon-zoo", *evaluate])]
    entry = str(tmp_path / "weights.json")
    assert main(["weights", "publish", run, "--repo", REPO, "--manifest", entry, *measured]) == 0
    card = hub.repos[REPO].commits[-1].files["README.md"].decode()
    assert "| **macro average** |" in card
    assert "phantom_cxr, split train" in card
    learnt_from = PhantomCxr("train", count=8)
    digest = split_hash(learnt_from.patients, learnt_from.targets())
    assert f"| Split, sha256 | {digest} |" in card
    assert "| Validation while training | dataset phantom_cxr, epoch 1" in card
    ways = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(ways) == 4
    images = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        expected = load_checkpoint(run)(images)
    for logits in loaded_in_fresh_processes(ways, images, tmp_path):
        assert torch.equal(logits, expected)
