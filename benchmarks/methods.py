"""What each method costs: parameters, size of its heatmap, time of a forward as a ratio to the plain classifier.

    python benchmarks/methods.py --out docs/methods.md      # a few minutes on two cores

Every round times each method once, so that what else the machine does falls on all of them; medians over rounds. The
heatmaps of the attribution methods are all classes' at once, the forward included.
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
from tables import write_between_marks, write_csv
from timing import interleave
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.attribution import create_attribution

BACKBONE, CLASSES, SIZE = "resnet50", 14, 256
PLAIN = "plain classifier"
COMMAND = "python benchmarks/methods.py --out docs/methods.md"

# What the row is called, the method, its options.
MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("CAM, max pooling (the paper's Baseline)", "cam", {}),
    ("CAM, average pooling", "cam", {"pooling": "avg"}),
    ("**PYLON**", "pylon", {}),
    ("PYLON, one-layer upsampling", "pylon", {"up_layers": 1}),
    ("Li 2018", "li2018", {}),
    ("FPN", "fpn", {}),
    ("FPN, group norm", "fpn", {"norm": "group"}),
    ("PAN", "pan", {}),
    ("PAN without GAP", "pan", {"gap": False}),
    ("DeepLabV3+", "deeplabv3plus", {}),
    ("DeepLabV3+ without GAP", "deeplabv3plus", {"gap": False}),
    ("U-Net", "unet", {}),
)
ATTRIBUTIONS = ("grad_cam", "grad_cam++", "xgrad_cam", "hires_cam", "layer_cam")


@dataclass
class Row:
    """One line of the table; `run` gives the heatmaps, or the logits of the plain classifier."""

    name: str
    how: str
    parameters: int
    run: Callable[[Tensor], Tensor]
    heatmap: str = ""
    seconds: list[float] | None = None


def rows() -> list[Row]:
    """The plain classifier first."""
    torch.manual_seed(0)
    plain = timm.create_model(BACKBONE, num_classes=CLASSES).eval()
    table = [Row(PLAIN, f'timm.create_model("{BACKBONE}")', count(plain), plain)]
    for name, method, options in MODELS:
        model = pz.create_model(f"{method}_{BACKBONE}", num_classes=CLASSES, **options).eval()
        given = "".join(f", {key}={value!r}" for key, value in options.items())
        call = f'create_model("{method}_{BACKBONE}"{given})'
        table.append(Row(name, call, count(model), model.forward_heatmap))
    for name in ATTRIBUTIONS:
        call = f'create_attribution("{name}", model)'
        table.append(Row(f"{name} on the plain classifier", call, count(plain), create_attribution(name, plain)))
    return table


def count(model: nn.Module) -> int:
    """Parameters of a model."""
    return sum(p.numel() for p in model.parameters())


def measure(table: Sequence[Row], rounds: int, batch: int) -> None:
    """Fill in the heatmaps' sizes and the seconds per image of every round."""
    images = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for row in table:
        with torch.no_grad():
            out = row.run(images)
        row.heatmap = f"{out.shape[2]}×{out.shape[3]}" if out.ndim == 4 else "none"
    with torch.no_grad():
        seconds = interleave({row.name: partial(row.run, images) for row in table}, rounds)
    for row in table:
        row.seconds = [one / batch for one in seconds[row.name]]


def records(table: Sequence[Row]) -> list[dict[str, Any]]:
    """The table's numbers, a dict a row."""
    base = median(table[0].seconds)
    return [
        {
            "method": row.name.replace("*", ""),
            "call": row.how,
            "parameters": row.parameters,
            f"heatmap_at_{SIZE}": row.heatmap,
            "ms": round(1000 * median(row.seconds), 1),
            "ratio": round(median(row.seconds) / base, 2),
        }
        for row in table
    ]


def report(table: Sequence[Row], batch: int, rounds: int) -> str:
    """The Markdown between the marks in docs/methods.md."""
    lines = [
        "| method | how to get it | parameters | heatmap | time of a forward, × plain classifier |",
        "|---|---|---|---|---|",
    ]
    for row, record in zip(table, records(table), strict=True):
        size, ratio = record[f"heatmap_at_{SIZE}"], record["ratio"]
        lines.append(f"| {row.name} | `{row.how}` | {row.parameters / 1e6:.2f} M | {size} | {ratio:.2f} |")
    return "\n".join(
        [
            f"`{BACKBONE}`, {CLASSES} classes, {SIZE}×{SIZE} pixels, random weights:\n",
            *lines,
            f"\nIn one run, batches of {batch}, medians over {rounds} rounds, each of which times every method once.",
            f"The plain classifier takes {records(table)[0]['ms']} ms an image here ({describe()}).",
            "Plain models, not optimized for inference; attributions are of all classes at once, the forward included.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=4, help="images a forward (default: 4)")
    parser.add_argument("--out", type=Path, help="Markdown file whose table to replace")
    parser.add_argument("--csv", type=Path, help="the numbers, as CSV")
    args = parser.parse_args(argv)
    table = rows()
    measure(table, args.rounds, args.batch)
    for record in records(table):
        print(f"{record['ratio']:6.2f}  {record['ms']:7.1f} ms  {record[f'heatmap_at_{SIZE}']:>8}  {record['method']}")
    if args.out:
        write_between_marks(args.out, report(table, args.batch, args.rounds), COMMAND)
    if args.csv:
        write_csv(args.csv, records(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
