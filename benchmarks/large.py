"""Many classes and large images: what a thousand classes and four million pixels cost, and what tiles change.

    python benchmarks/large.py                  # writes docs/speed.md and the CSV

Three tables. As classes grow: all logits and the heatmaps of each image's five most probable classes. As images grow:
whole, and over tiles. Both of optimized PYLON with light laterals, random weights, taking turns, in processor time.
Seams: the bundled model of phantoms on one of them, over tiles with less and less overlap, against the whole image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from inference_speed import BACKBONE, CLASSES, SIZE, images
from machine import describe, load
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave

import pylon_zoo as pz
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.preprocessing import eval_transform

NAME = "large"
COUNTS, TOP = (14, 100, 1000), 5
SIDES = (256, 512, 1024, 2048)
OVERLAPS = (0, 32, 64, 128, 192, 256)
BUNDLED, SEAM_SIDE, SEAM_TILE = "pylon_resnet18.phantom_cxr", 1024, 512
BATCH = 2  # of the classes' table; the others have single images


def pylon(backbone: str, classes: int = CLASSES) -> Any:
    """With light laterals."""
    torch.manual_seed(0)
    return pz.create_pylon(backbone, classes, lateral="light").eval()


def milliseconds(turns: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """Of the processor, medians."""
    seconds = interleave({str(key): turn for key, turn in turns.items()}, rounds, 1, clock=time.process_time)
    return {key: 1000 * median(seconds[str(key)]) for key in turns}


def by_classes(backbone: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each number of classes, × that of the fewest."""
    x = images(BATCH)
    models = {count: pz.optimize(pylon(backbone, count)) for count in COUNTS}
    took = milliseconds({n: (lambda m=m: m.forward_top_k(x, TOP)) for n, m in models.items()}, rounds)
    return [
        {
            "table": "classes",
            "of": count,
            "ms": round(took[count] / BATCH, 1),
            "ratio": round(took[count] / took[14], 3),
        }
        for count in COUNTS
    ]


def by_pixels(backbone: str, sides: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """A row for each side, and for the largest over tiles; × the pixels' share of the smallest."""
    model = pylon(backbone)
    whole, tiles = pz.optimize(model), pz.tiled(model, tile=1024, overlap=256)
    inputs = {side: images(1, side) for side in sides}
    turns: dict[Any, Callable[[], object]] = {
        side: (lambda x=x: whole.forward_with_heatmap(x)) for side, x in inputs.items()
    }
    largest = max(sides)
    turns[f"{largest}, tiled"] = lambda: tiles.forward_with_heatmap(inputs[largest])
    took = milliseconds(turns, rounds)
    return [
        {
            "table": "pixels",
            "of": key,
            "ms": round(ms, 1),
            "ratio": round(ms / took[sides[0]] * (sides[0] / (key if isinstance(key, int) else largest)) ** 2, 3),
        }
        for key, ms in took.items()
    ]


def seams() -> list[dict[str, Any]]:
    """A row for each overlap: the largest difference of heatmaps and of logits, of the largest heatmap's value."""
    model = pz.create_model(BUNDLED).eval()
    as_large = replace(eval_transform(model), size=(SEAM_SIDE, SEAM_SIDE))
    phantoms = PhantomCxr("test", size=SEAM_SIDE, count=1, transform=as_large)
    x = phantoms[0].image[None]
    logits, heatmap = pz.optimize(model).forward_with_heatmap(x)
    rows = []
    for overlap in OVERLAPS:
        found = pz.tiled(model, tile=SEAM_TILE, overlap=overlap).forward_with_heatmap(x)
        gaps = [float((a - b).abs().max() / heatmap.abs().max()) for a, b in zip(found, (logits, heatmap), strict=True)]
        rows.append({"table": "seams", "of": overlap, "logits": f"{gaps[0]:.1e}", "heatmaps": f"{gaps[1]:.1e}"})
    return rows


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    of = {name: [row for row in rows if row["table"] == name] for name in ("classes", "pixels", "seams")}
    lines = [
        f"All logits and the heatmaps of each image's {TOP} most probable classes, {SIZE}×{SIZE} pixels:\n",
        f"| classes | processor ms an image | × {COUNTS[0]} classes |",
        "|---|---|---|",
        *(f"| {row['of']} | {row['ms']} | {row['ratio']:.2f} |" for row in of["classes"]),
        f"\nOne image, {CLASSES} classes; linear is 1.00:\n",
        "| pixels each way | processor ms | × the smallest's, a pixel |",
        "|---|---|---|",
        *(f"| {row['of']} | {row['ms']} | {row['ratio']:.2f} |" for row in of["pixels"]),
        f"\n`{BUNDLED}` on a phantom of {SEAM_SIDE} pixels over tiles of {SEAM_TILE}; the largest difference from the "
        "whole image, of the heatmap's largest value:\n",
        "| overlap in pixels | of logits | of heatmaps |",
        "|---|---|---|",
        *(f"| {row['of']} | {row['logits']:.0e} | {row['heatmaps']:.0e} |" for row in of["seams"]),
        f"\n`{first['backbone']}` with light laterals, optimized, in one run, medians over {first['rounds']} rounds "
        f"(load {first['load']}; {first['machine']}).",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="in pixels (default: 256 to 2048)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: %(default)s)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        rows = by_classes(args.backbone, args.rounds) + by_pixels(args.backbone, args.sides, args.rounds) + seams()
    common = {"backbone": args.backbone, "rounds": args.rounds, "load": round(load(), 1), "machine": describe()}
    blank = dict.fromkeys(("table", "of", "ms", "ratio", "logits", "heatmaps"), "")
    publish([blank | row | common for row in rows], report, args.csv, args.out, command_for(NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
