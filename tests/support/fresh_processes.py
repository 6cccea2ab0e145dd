"""Code run by Python processes that have imported nothing yet, each with a cache of the Hub of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from systems import link

import pylon_zoo

ROOT = Path(pylon_zoo.__file__).resolve().parents[1]


def loaded_in_fresh_processes(
    ways: Sequence[str], images: torch.Tensor, folder: Path, more: Mapping[str, str] | None = None
) -> list[torch.Tensor]:
    """The logits of the `model` that each piece of code makes, all run at the same time.

    Args:
        ways: Python, which may take the clone of the library to be the folder `pylon_zoo`.
        images: the model's input.
        folder: where they run.
        more: environment.
    """
    torch.save(images, folder / "images.pt")
    link(folder / "pylon_zoo", ROOT)  # the clone that torch.hub is told of
    processes = []
    for index, way in enumerate(ways):
        (folder / f"way{index}.py").write_text(
            f"{way}\nimport torch\nwith torch.inference_mode():\n"
            f"    torch.save(model.eval()(torch.load('images.pt')), 'logits{index}.pt')\n",
            encoding="utf-8",
        )
        environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / f"home{index}")}
        environment["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # sums in another order differ in the last bit
        command = [sys.executable, "-P", f"way{index}.py"]
        processes.append(subprocess.Popen(command, cwd=folder, env=os.environ | environment | (more or {})))
    assert [process.wait(timeout=300) for process in processes] == [0] * len(ways)
    return [torch.load(folder / f"logits{index}.pt") for index in range(len(ways))]
