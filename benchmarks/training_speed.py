"""What training PYLON costs: a step of it against a step of the plain classifier on the same backbone.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --device cuda   # the same on a GPU, in batches of 64

A step is forward, loss, backward and Adam, fused. Models take turns in one run; medians over the rounds, on a processor
in its own time, which a busy machine raises far less than a clock's. Peak memory is that of a fresh process which does
a few steps of one model, on a GPU what one model's steps allocate there. Writes docs/speed.md and the CSV.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
import torch.nn.functional as F
from machine import describe, load
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave, print_peak_memory, ratio, with_peak_memory
from torch import nn

import pylon_zoo as pz
from pylon_zoo.training.rules import COARSEST_STRIDE, DECODERS

NAME = "training_speed"
BATCH = {"cpu": 8, "cuda": 64}
BACKBONE, SIZE, CLASSES = "resnet50", 256, 14
PAPER, NEW = "PYLON, channels last", "PYLON, as training without a recipe has it"


def plain(backbone: str) -> nn.Module:
    """timm's classifier."""
    return timm.create_model(backbone, num_classes=CLASSES)


def pylon(backbone: str, **options: Any) -> nn.Module:
    """Ours."""
    return pz.create_pylon(backbone, CLASSES, **options)


MODELS: dict[str, tuple[Callable[[str], nn.Module], torch.memory_format]] = {
    "plain classifier": (plain, torch.contiguous_format),
    "plain classifier, channels last": (plain, torch.channels_last),
    "PYLON": (pylon, torch.contiguous_format),
    PAPER: (pylon, torch.channels_last),
    "PYLON, light laterals, channels last": (partial(pylon, lateral="light"), torch.channels_last),
    NEW: (
        partial(pylon, coarsest_stride=COARSEST_STRIDE, **DECODERS["pylon"]),
        torch.channels_last,
    ),
}


def make_step(name: str, backbone: str, batch: int, device: str = "cpu") -> Callable[[], None]:
    """One training step of a model of `MODELS`, ready to run again and again."""
    torch.manual_seed(0)
    build, layout = MODELS[name]
    model = build(backbone).train().to(device, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    images = torch.randn(batch, 3, SIZE, SIZE).to(device, memory_format=layout)
    targets = torch.randint(0, 2, (batch, CLASSES)).float().to(device)

    def step() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(images), targets).backward()
        optimizer.step()

    return step


def measure(backbone: str, batch: int, rounds: int, threads: int, device: str = "cpu") -> list[dict[str, Any]]:
    """The table, a dict a row."""
    steps, memory = {}, {}
    common = ("--backbone", backbone, "--batch", str(batch), "--threads", str(threads))
    for name in MODELS:
        build = partial(make_step, name, backbone, batch, device)
        steps[name], memory[name] = with_peak_memory(build, try_out, device, __file__, "--memory-of", name, *common)
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds = interleave(steps, rounds, 1, device, clock)
    default, channels_last = (seconds[name] for name in list(MODELS)[:2])
    return [
        {
            "model": name,
            "backbone": backbone,
            "images_per_second": round(batch / median(seconds[name]), 2),
            "throughput_to_plain_default": round(ratio(default, seconds[name]), 3),
            "throughput_to_plain_channels_last": round(ratio(channels_last, seconds[name]), 3),
            "peak_mb": round(memory[name]),
            "rounds": rounds,
            "batch": batch,
            "size": SIZE,
            "load": round(load(), 1),
            "machine": describe(device),
        }
        for name in MODELS
    ]


def try_out(step: Callable[[], None]) -> None:
    """Three steps."""
    for _ in range(3):
        step()


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    busy = "load" in first  # measured since a busy machine was reckoned with
    lines = [
        f"A step of `{first['backbone']}`, {CLASSES} classes, {first['size']}×{first['size']} pixels, "
        f"batches of {first['batch']}, forward, loss, backward and Adam{', fused, in processor time' * busy}:\n",
        "| | images/s | throughput, × plain | × plain, channels last | peak memory |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {model} | {images_per_second} | {throughput_to_plain_default:.2f} "
            "| {throughput_to_plain_channels_last:.2f} | {peak_mb} MB |".format(**row)
        )
    machine = f"load {first['load']}; {first['machine']}" if busy else first["machine"]
    return "\n".join([*lines, f"\nIn one run, medians over {first['rounds']} rounds ({machine})."])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--batch", type=int, help="images a step (default: 8, on a GPU 64)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default: 2)")
    parser.add_argument("--device", choices=BATCH, default="cpu")
    parser.add_argument("--csv", type=Path, help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    parser.add_argument("--memory-of", choices=MODELS, help="only this model's peak memory, in megabytes")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    batch = args.batch or BATCH[args.device]
    if args.memory_of:
        try_out(make_step(args.memory_of, args.backbone, batch))
        print_peak_memory()
        return 0
    rows = measure(args.backbone, batch, args.rounds, args.threads, args.device)
    publish(rows, report, args.csv or results_file(NAME, args.device), args.out, command_for(NAME, args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
