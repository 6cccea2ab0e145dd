"""What true places cost: PYLON with `alignment="exact"` against `"paper"`, and building with grids against without.

    python benchmarks/alignment_speed.py      # two minutes on two cores; writes docs/cells.md and the CSV

All variants take turns in one run; a ratio is the median of those within a round, which sees one state of the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from inference_speed import BACKBONE, CLASSES, SIZE, images
from machine import describe
from tables import Row, command_for, publish, results_file
from timing import interleave

import pylon_zoo as pz
from pylon_zoo.models.pylon import ALIGNMENTS

NAME = "alignment_speed"
PAGE = Path(__file__).parents[1] / "docs" / "cells.md"
BUILT = (BACKBONE, "tf_efficientnet_lite0", "convnext_atto")


def models(layout: str) -> dict[str, torch.nn.Module]:
    """Alignment → model, weights alike, in one of the ways to run it."""
    built = {}
    for alignment in ALIGNMENTS:
        torch.manual_seed(0)
        model = pz.create_pylon(BACKBONE, classes=CLASSES, alignment=alignment).eval()
        if layout == "optimized":
            model = pz.optimize(model)
        elif layout == "eager, channels last":
            model = model.to(memory_format=torch.channels_last)
        built[alignment] = model
    return built


@torch.inference_mode()
def measure(layout: str, batch: int, rounds: int) -> dict[str, Any]:
    """One row: forward with heatmaps in both alignments."""
    x = images(batch, SIZE, "cpu")
    if layout == "eager, channels last":
        x = x.to(memory_format=torch.channels_last)
    runs: dict[str, Callable[[], object]] = {
        name: (lambda model=model: model.forward_with_heatmap(x)) for name, model in models(layout).items()
    }
    seconds = interleave(runs, rounds)
    return {
        "what": f"forward, {layout}, batch {batch}",
        **{f"{name}_ms": round(1000 * median(each), 2) for name, each in seconds.items()},
        "ratio": round(median(a / b for a, b in zip(seconds["exact"], seconds["paper"], strict=True)), 3),
    }


def measure_build(backbone: str, rounds: int) -> dict[str, Any]:
    """One row: building a model, and how much of that looking up its cells takes."""
    whole, part = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        model = pz.create_pylon(backbone, classes=CLASSES)
        whole.append(time.perf_counter() - started)
        started = time.perf_counter()
        model.encoder._find_levels()
        part.append(time.perf_counter() - started)
    total, cells = 1000 * median(whole), 1000 * median(part)
    return {
        "what": f"building {backbone}",
        "exact_ms": round(total, 2),
        "paper_ms": round(total - cells, 2),
        "ratio": round(total / (total - cells), 3),
    }


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/cells.md."""
    lines = ["| | exact, ms | paper, ms (building: without cells) | ratio |", "|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['exact_ms']} | {row['paper_ms']} | {row['ratio']:.3f} |" for row in rows]
    first = rows[0]
    note = (
        f"`{BACKBONE}`, {CLASSES} classes, {SIZE} pixels, medians over {first['rounds']} rounds ({first['machine']})."
    )
    return "\n".join([*lines, "", note])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(argv)
    rows = [
        measure(layout, batch, args.rounds)
        for layout in ("eager", "eager, channels last", "optimized")
        for batch in (1, 8)
    ]
    rows += [measure_build(backbone, args.rounds) for backbone in BUILT]
    described = {"rounds": args.rounds, "machine": describe()}
    publish([row | described for row in rows], report, results_file(NAME), PAGE, command_for(NAME))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
