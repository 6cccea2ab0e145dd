"""Times taken in turns, in one run, and peak memory read in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

import torch
from machine import peak_resident

Built = TypeVar("Built")
MEGABYTE = 1e6


def interleave(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 2,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each run in each round; a round runs every one once, so that all see the same machine.

    Args:
        runs: name → what to time.
        rounds: how often.
        warm_up: runs of each before the first round, not timed.
        device: whose work is waited for.
        clock: seconds; `time.process_time` are the processor's, which other work on the machine adds little to.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for index in range(rounds):
        for name, run in runs.items():
            finish(device)
            start = clock()
            run()
            finish(device)
            seconds[name].append(clock() - start)
        print(f"round {index + 1} of {rounds}", file=sys.stderr, flush=True)
    return seconds


def finish(device: str) -> None:
    """Wait for what a GPU has been given to do."""
    if device != "cpu":
        torch.accelerator.synchronize()


def matmul_rate(dtype: torch.dtype, device: str = "cpu", rounds: int = 7) -> float:
    """Floating-point operations a second of a square matrix product, the fastest of some rounds.

    float32 products on a GPU are taken in TF32, as PyTorch's convolutions there are.
    """
    side = 1536 if device == "cpu" else 8192
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    usual, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, True
    seconds = interleave({f"matrix product in {dtype}": lambda: a @ b}, rounds, device=device).popitem()[1]
    torch.backends.cuda.matmul.allow_tf32 = usual
    return 2 * side**3 / min(seconds)


def bandwidth(device: str = "cpu", megabytes: int = 256, rounds: int = 7) -> float:
    """Bytes read and written a second by a copy too large for the caches, the fastest of some rounds."""
    source = torch.ones(megabytes * 250_000, device=device)
    target = torch.empty_like(source)
    copied = interleave({"copy": lambda: target.copy_(source)}, rounds, device=device)
    return 2 * source.nbytes / min(copied.popitem()[1])


def peak_memory(script: str, *arguments: str) -> float:
    """Peak resident memory in megabytes of a fresh process that runs a script and calls `print_peak_memory` last."""
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def with_peak_memory(
    build: Callable[[], Built], try_out: Callable[[Built], None], device: str, script: str, *arguments: str
) -> tuple[Built, float]:
    """What `build` makes, and the megabytes it takes at most to make it and try it out.

    On a processor those of a fresh process (`peak_memory`), on a GPU those allocated there beyond what was before.
    """
    if device == "cpu":
        return build(), peak_memory(script, *arguments)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    built = build()
    try_out(built)
    return built, (torch.cuda.max_memory_allocated() - before) / MEGABYTE


def print_peak_memory() -> None:
    """This process's peak resident memory so far, in megabytes."""
    print(peak_resident() / MEGABYTE)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the one over median of the other."""
    return median(ours) / median(theirs)
