"""What heatmaps cost: PYLON, plain and optimized, against the plain classifier and the segmentation networks.

    python benchmarks/inference_speed.py                # minutes on two cores; writes docs/speed.md and the CSV
    python benchmarks/inference_speed.py --device cuda  # the same on a GPU, in batches of 64

ResNet-50, 14 classes, 256×256 pixels. All take turns in one run, after a warm-up, for batches of 8 and of 1; medians
over the rounds. The floor beside each is the larger of two times: its operations over the measured rate of a matrix
product in its precision, and the bytes of weights, images and results over the measured rate of a copy. Peak memory is
that of a fresh process which runs one of them alone, on a GPU what one of them allocates there. The decoder's overhead
is what optimized PYLON takes longer than its own encoder, against what its operations would take at the encoder's rate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
from machine import describe
from tables import PAGE, Row, command_for, publish, results_file
from timing import bandwidth, interleave, matmul_rate, print_peak_memory, ratio, with_peak_memory
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import pylon_zoo as pz

NAME = "inference_speed"
BACKBONE, SIZE, CLASSES = "resnet50", 256, 14
BATCHES = {"cpu": (8, 1), "cuda": (64, 1)}  # the second one is for the latency

PLAIN, PAPER, OPTIMIZED = "plain classifier", "PYLON, plain: the paper's layout", "PYLON, optimized"
COMPILED, BFLOAT16 = "PYLON, optimized, compiled", "PYLON, optimized, bfloat16"
FASTEST = f"{BFLOAT16}, compiled"
GRAPHS = ", CUDA graphs"  # of `mode="latency"`, which is for GPUs
LATENCY, FASTEST_LATENCY = f"{OPTIMIZED}{GRAPHS}", f"{BFLOAT16}{GRAPHS}, compiled"
PEERS = {"U-Net": "unet", "FPN": "fpn", "PAN": "pan", "DeepLabV3+": "deeplabv3plus"}

OVERHEAD = ("decoder_ms", "decoder_to_due")  # columns of the optimized model's row

Run = Callable[[Tensor], object]


def classifier(backbone: str, layout: torch.memory_format, classes: int = CLASSES, device: str = "cpu") -> nn.Module:
    """timm's own, which gives no heatmap."""
    return timm.create_model(backbone, num_classes=classes).eval().to(device, memory_format=layout)


def pylon(backbone: str, classes: int = CLASSES, device: str = "cpu", **options: Any) -> Run:
    """Ours, optimized."""
    return pz.optimize(pz.create_pylon(backbone, classes).eval().to(device), **options).forward_with_heatmap


def method(backbone: str, name: str, classes: int = CLASSES, device: str = "cpu") -> Run:
    """A method of the zoo as it is: unfolded, head last, default layout."""
    return pz.create_model(f"{name}_{backbone}", num_classes=classes).eval().to(device).forward_with_heatmap


# Name → what makes it for a backbone and a device, and its precision.
MODELS: dict[str, tuple[Callable[[str, str], Run], torch.dtype]] = {
    PLAIN: (lambda b, d: classifier(b, torch.contiguous_format, device=d), torch.float32),
    f"{PLAIN}, channels last": (lambda b, d: classifier(b, torch.channels_last, device=d), torch.float32),
    PAPER: (lambda b, d: method(b, "pylon", device=d), torch.float32),
    OPTIMIZED: (lambda b, d: pylon(b, device=d), torch.float32),
    COMPILED: (lambda b, d: pylon(b, device=d, compile=True), torch.float32),
    BFLOAT16: (lambda b, d: pylon(b, device=d, dtype=torch.bfloat16), torch.bfloat16),
    FASTEST: (lambda b, d: pylon(b, device=d, dtype=torch.bfloat16, compile=True), torch.bfloat16),
    LATENCY: (lambda b, d: pylon(b, device=d, mode="latency"), torch.float32),
    FASTEST_LATENCY: (
        lambda b, d: pylon(b, device=d, dtype=torch.bfloat16, mode="latency", compile=True),
        torch.bfloat16,
    ),
    **{peer: (lambda b, d, name=name: method(b, name, device=d), torch.float32) for peer, name in PEERS.items()},
}
# Ratios of times that matter: what they say, the one, the other.
CLAIMS = (
    ("optimized to the plain classifier's time", OPTIMIZED, PLAIN),
    ("compiled to the plain classifier's time", COMPILED, PLAIN),
    ("bfloat16 to the plain classifier's time", BFLOAT16, PLAIN),
    ("the paper's layout to optimized", PAPER, OPTIMIZED),
    ("the paper's layout to compiled", PAPER, COMPILED),
)


@dataclass(frozen=True)
class Machine:
    """Measured rates, in operations and bytes a second."""

    operations: dict[torch.dtype, float]
    bytes: float

    @classmethod
    def measure(cls, device: str = "cpu") -> Machine:
        """In a few seconds."""
        rates = {dtype: matmul_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
        return cls(rates, bandwidth(device))

    def floor(self, operations: float, moved: float, dtype: torch.dtype) -> float:
        """Seconds that no implementation of these operations can beat."""
        return max(operations / self.operations[dtype], moved / self.bytes)


def images(batch: int, size: int = SIZE, device: str = "cpu") -> Tensor:
    """Noise, the same for all."""
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def cost(run: Run, x: Tensor, dtype: torch.dtype) -> tuple[int, int]:
    """Operations of a forward, and bytes of the images, the results and the weights, each once."""
    with FlopCounterMode(display=False) as counter:
        out = run(x)
    results = out if isinstance(out, (tuple, list)) else (out,)
    module = run if isinstance(run, nn.Module) else run.__self__
    weights = sum(p.numel() for p in module.parameters()) * dtype.itemsize
    return counter.get_total_flops(), weights + x.nbytes + sum(one.nbytes for one in results)


@torch.no_grad()
def measure(
    backbone: str, names: Sequence[str], rounds: int, threads: int, device: str = "cpu"
) -> list[dict[str, Any]]:
    """The table, a dict a row."""
    machine, (large, single) = Machine.measure(device), BATCHES[device]
    runs, memory = {}, {}
    common = ("--backbone", backbone, "--threads", str(threads))
    for name in names:
        build = partial(MODELS[name][0], backbone, device)
        tried = partial(try_out, device=device)
        runs[name], memory[name] = with_peak_memory(build, tried, device, __file__, "--memory-of", name, *common)
    seconds = {}
    for batch in (large, single):
        x = images(batch, device=device)
        turns = {name: (lambda run=run, x=x: run(x)) for name, run in runs.items()}
        seconds[batch] = interleave(turns, rounds, device=device)
    rows = []
    for name in runs:
        dtype = MODELS[name][1]
        # The counter looks neither into compiled code nor into graphs.
        same = name.removesuffix(", compiled").removesuffix(GRAPHS)
        operations, moved = cost(runs[same], images(large, device=device), dtype)
        batch, latency = seconds[large][name], seconds[single][name]
        floor = machine.floor(operations, moved, dtype)
        rows.append(
            {
                "model": name,
                "backbone": backbone,
                "batch": large,
                "images_per_second": round(large / median(batch), 2),
                "time_to_plain": round(ratio(batch, seconds[large][PLAIN]), 3),
                "time_to_optimized": round(ratio(batch, seconds[large][OPTIMIZED]), 3),
                "latency_ms": round(1000 * median(latency), 1),
                "latency_to_plain": round(ratio(latency, seconds[single][PLAIN]), 3),
                "peak_mb": round(memory[name]),
                "gflops_per_image": round(operations / large / 1e9, 2),
                "floor_ms_per_image": round(1000 * floor / large, 4),
                "above_floor": round(median(batch) / floor, 2),
                **(decoder_overhead(backbone, device) if name == OPTIMIZED else dict.fromkeys(OVERHEAD, "")),
                "rounds": rounds,
                "machine": describe(device),
            }
        )
    return rows


@torch.no_grad()
def try_out(run: Run, device: str) -> None:
    """Two batches."""
    for _ in range(2):
        run(images(BATCHES[device][0], device=device))


@torch.no_grad()
def decoder_overhead(backbone: str, device: str = "cpu", rounds: int = 20) -> dict[str, float]:
    """Optimized PYLON beside its own optimized encoder: seconds of the decoder, and what its operations should take."""
    model = pz.optimize(pz.create_pylon(backbone, CLASSES).eval().to(device))
    x = images(BATCHES[device][0], device=device)
    prepared = x.to(memory_format=torch.channels_last)
    runs = {"whole": lambda: model.forward_with_heatmap(x), "encoder": lambda: model.encoder(prepared)}
    seconds = interleave(runs, rounds, device=device)
    whole, encoder = (cost(run, x, torch.float32)[0] for run in (model.forward_with_heatmap, model.encoder))
    took = median(a - b for a, b in zip(seconds["whole"], seconds["encoder"], strict=True))
    due = (whole - encoder) * median(seconds["encoder"]) / encoder
    return dict(zip(OVERHEAD, (round(1000 * took, 2), round(took / due, 2)), strict=True))


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    overhead = next(row for row in rows if row["model"] == OPTIMIZED)
    lines = [
        f"`{rows[0]['backbone']}`, {CLASSES} classes, {SIZE}×{SIZE} pixels, logits and heatmaps:\n",
        f"| | images/s, batches of {rows[0]['batch']} | time, × plain | latency of one image | × plain | peak memory "
        "| GFLOP an image | time above the floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {model} | {images_per_second} | {time_to_plain:.2f} | {latency_ms} ms | {latency_to_plain:.2f} "
            "| {peak_mb} MB | {gflops_per_image} | {above_floor:.1f} × |".format(**row)
        )
    return "\n".join(
        [
            *lines,
            f"\nIn one run, medians over {rows[0]['rounds']} rounds ({rows[0]['machine']}). The plain classifier is",
            "timm's, in its default layout, and gives no heatmap. The floor is the larger of operations over the",
            "measured rate of a matrix product and bytes of weights, images and results over that of a copy.\n",
            *(f"- {name}: {value:.2f}" for name, value in claims(rows).items()),
            f"- the decoder of optimized PYLON takes {overhead['decoder_ms']:.3g} ms more than its encoder alone, "
            f"{overhead['decoder_to_due']:.2f} × what its operations would take at the encoder's rate",
        ]
    )


def claims(rows: Sequence[Row]) -> dict[str, float]:
    """The ratios of times that matter, by what they say."""
    times = {row["model"]: 1 / row["images_per_second"] for row in rows}
    fastest = fastest_peer(rows)
    found = {says: times[one] / times[other] for says, one, other in CLAIMS if {one, other} <= times.keys()}
    for row in rows:
        if row["model"] in (LATENCY, FASTEST_LATENCY):
            found[f"one image, {row['model']}, to the plain classifier's latency"] = row["latency_to_plain"]
    return {**found, f"the fastest segmentation network ({fastest}) to optimized": times[fastest] / times[OPTIMIZED]}


def fastest_peer(rows: Sequence[Row]) -> str:
    """The segmentation network with the most images a second."""
    return max((row for row in rows if row["model"] in PEERS), key=lambda row: row["images_per_second"])["model"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default: 2)")
    parser.add_argument("--device", choices=BATCHES, default="cpu")
    parser.add_argument("--csv", type=Path, help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    parser.add_argument("--no-compile", action="store_true", help="leave out what torch.compile compiles")
    parser.add_argument("--memory-of", choices=MODELS, help="only this model's peak memory, in megabytes")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.memory_of:
        try_out(MODELS[args.memory_of][0](args.backbone, "cpu"), "cpu")
        print_peak_memory()
        return 0
    names = [
        name
        for name in MODELS
        if not (args.no_compile and name.endswith(", compiled")) and not (args.device == "cpu" and GRAPHS in name)
    ]
    rows = measure(args.backbone, names, args.rounds, args.threads, args.device)
    results = args.csv or results_file(NAME, args.device)
    publish(rows, report, results, args.out, command_for(NAME, args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
