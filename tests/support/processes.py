"""Real processes for tests of training, forked from a server that has imported everything: each starts at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from pylon_zoo.cli.main import main
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import Sample
from pylon_zoo.errors import PylonZooError
from pylon_zoo.models.build import build_model
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.recipe_files import load_recipe, recipe_from_table
from pylon_zoo.training.run_folder import STATE, RunFolder
from pylon_zoo.training.sections import Origin
from pylon_zoo.training.train import train

CONTEXT = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
CONTEXT.set_forkserver_preload(["processes", "accelerate", "sklearn.metrics"])


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """A function of this module, running in a process of its own."""
    process = CONTEXT.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(arguments: Sequence[str], messages: str) -> None:
    """`pylon-zoo` with these arguments; stderr goes to a file."""
    _quietly(messages)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without it
    sys.exit(main(arguments))


def survivor(recipe: str, out: str, messages: str) -> None:
    """Begin a run or go on with it; what its state was at the end is kept beside its folder."""
    _quietly(messages)
    finish = RunFolder.finish

    def keep(run: RunFolder, summary: dict[str, Any]) -> None:
        shutil.copy(run.path / STATE, f"{out}.{STATE}")
        finish(run, summary)

    RunFolder.finish = keep
    train(load_recipe(recipe), out, device="cpu", resume=True)


def on_a_full_disk(recipe: str, out: str, messages: str) -> None:
    """A run whose files may not grow beyond a kilobyte once its first epoch is saved; its error goes to a file.

    For posix_only tests.
    """
    import resource

    _quietly(messages)

    def fill(epoch: Any) -> None:
        if epoch.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    try:
        train(load_recipe(recipe), out, device="cpu", report=fill)
    except PylonZooError as error:
        print(error, file=sys.stderr, flush=True)


class Doubtful(PhantomCxr):
    """Phantoms in float64 of whose labels some are unknown, a different number in every image."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        target = sample.target.clone()
        target[: index % len(target)] = float("nan")
        return Sample(sample.image.double() / 255, target, sample.boxes, sample.patient, sample.path)


def twenty_steps(rank: int, processes: int, port: int, result: str, sections: dict[str, Any]) -> None:
    """21 steps of a model without batch normalisation; the main process leaves epochs and weights in a file."""
    _quietly(f"{result}.{rank}.log")
    if processes > 1:
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        os.environ.update({name: str(value) for name, value in places.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    # 40 images make two steps of 16 and one of 8.
    sets = [Doubtful(split, size=32, count=count, cache=True) for split, count in (("train", 40), ("val", 21))]
    torch.manual_seed(0)
    model = build_model("pylon_test_convnext", len(sets[0].classes), 1, norm="group").double()
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in model.modules())
    table = {
        "optimizer": {"lr": 1e-3},
        "schedule": {"name": "cosine", "max_epochs": 7},
        **sections,
        "loop": {"batch_size": 16, **sections.get("loop", {})},
    }
    recipe = recipe_from_table(table, Origin("twenty"))
    accelerator = make_accelerator("cpu", "no")
    assert accelerator.num_processes == processes
    epochs = [asdict(epoch) for epoch in fit(model, *sets, recipe, accelerator)]
    if accelerator.is_main_process:
        weights = {name: value.flatten().tolist() for name, value in model.state_dict().items()}
        Path(result).write_text(json.dumps({"epochs": epochs, "weights": weights}), encoding="utf-8")
    if processes > 1:
        torch.distributed.destroy_process_group()


def _quietly(messages: str) -> None:
    """One thread; stdout and stderr into a file."""
    torch.set_num_threads(1)
    file = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
