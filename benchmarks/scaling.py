"""How cost grows with the input and with the number of classes: PYLON, plain and optimized, and the plain classifier.

    python benchmarks/scaling.py                        # a minute or two on two cores; writes docs/speed.md and the CSV
    python benchmarks/scaling.py --device cuda

All three take turns; medians over the rounds, in milliseconds an image, logits and heatmaps of all classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from inference_speed import BACKBONE, CLASSES, OPTIMIZED, PAPER, PLAIN, SIZE, Run, classifier, images, method, pylon
from machine import describe
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave

NAME = "scaling"
SIZES, COUNTS = (128, 256, 512, 1024), (1, 14, 80, 200, 1000)
BATCH = 4  # of the classes' sweep; the inputs' has single images
# Model → the start of its columns' names.
COLUMNS = {PLAIN: "plain", PAPER: "pylon", OPTIMIZED: "optimized"}


def build(backbone: str, classes: int, device: str) -> dict[str, Run]:
    """The models of `COLUMNS`."""
    return {
        PLAIN: classifier(backbone, torch.contiguous_format, classes, device),
        PAPER: method(backbone, "pylon", classes, device),
        OPTIMIZED: pylon(backbone, classes, device),
    }


@torch.no_grad()
def measure(
    runs: dict[str, Run], sweep: str, size: int, classes: int, batch: int, args: argparse.Namespace
) -> dict[str, Any]:
    """One row."""
    x = images(batch, size, args.device)
    turns = {name: (lambda run=run: run(x)) for name, run in runs.items()}
    seconds = interleave(turns, args.rounds, warm_up=1, device=args.device)
    ms = {COLUMNS[name]: 1000 * median(each) / batch for name, each in seconds.items()}
    return {
        "sweep": sweep,
        "size": size,
        "classes": classes,
        "batch": batch,
        **{f"{name}_ms": round(value, 2) for name, value in ms.items()},
        **{f"{name}_to_plain": round(ms[name] / ms["plain"], 3) for name in ("pylon", "optimized")},
    }


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    lines = [
        f"`{first['backbone']}`, milliseconds an image:\n",
        f"| pixels | classes | batch | {' | '.join(COLUMNS)} | plain PYLON, × classifier | optimized, × classifier |",
        "|---" * (5 + len(COLUMNS)) + "|",
    ]
    for row in rows:
        lines.append(
            "| {size}×{size} | {classes} | {batch} | {plain_ms:.1f} | {pylon_ms:.1f} | {optimized_ms:.1f} "
            "| {pylon_to_plain:.2f} | {optimized_to_plain:.2f} |".format(**row)
        )
    return "\n".join([*lines, f"\nIn one run, medians over {first['rounds']} rounds ({first['machine']})."])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides in pixels (default: 128 to 1024)")
    parser.add_argument("--classes", type=int, nargs="+", default=COUNTS, help="(default: 1 to 1000)")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"as classes grow (default: {BATCH})")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default: 2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--csv", type=Path, help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    runs = build(args.backbone, CLASSES, args.device)
    rows = [measure(runs, "input", size, CLASSES, 1, args) for size in args.sizes]
    for count in args.classes:
        rows.append(measure(build(args.backbone, count, args.device), "classes", SIZE, count, args.batch, args))
    common = {"backbone": args.backbone, "rounds": args.rounds, "machine": describe(args.device)}
    results = args.csv or results_file(NAME, args.device)
    publish([row | common for row in rows], report, results, args.out, command_for(NAME, args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
