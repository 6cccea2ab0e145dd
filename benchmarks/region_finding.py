"""Boxes of connected regions: ours beside SciPy, OpenCV and connected-components-3d.

    python benchmarks/region_finding.py                 # a minute or two; writes docs/speed.md and the CSV

Masks are the bundled model's heatmaps of phantoms, brought to several sizes and cut at 0.3 of their range, and noise,
of which half or a tenth is set. All must find the same boxes. Processor milliseconds a mask, the quickest of the
rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from machine import describe
from tables import PAGE, Row, command_for, publish, results_file

import pylon_zoo
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.evaluation.evaluate import prepared
from pylon_zoo.metrics.geometry import unit_range, upsample
from pylon_zoo.regions import find_runs

NAME = "region_finding"
SIZES = {128: 64, 512: 16, 1024: 4}  # side → masks
Finder = Callable[[np.ndarray], np.ndarray]


def ours(mask: np.ndarray) -> np.ndarray:
    """(R, 4) x0, y0, x1, y1, as of all here."""
    return find_runs(mask[None]).boxes()


def scipy(mask: np.ndarray) -> np.ndarray:
    """`label` and `find_objects`."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    boxes = [(x.start, y.start, x.stop - 1, y.stop - 1) for y, x in ndimage.find_objects(labels)]
    return np.array(boxes).reshape(-1, 4)


def opencv(mask: np.ndarray) -> np.ndarray:
    """`connectedComponentsWithStats`."""
    import cv2

    x, y, width, height, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2][1:].T
    return np.stack([x, y, x + width - 1, y + height - 1], axis=1)


def cc3d(mask: np.ndarray) -> np.ndarray:
    """`connected_components` and `statistics`."""
    import cc3d

    labels = cc3d.connected_components(mask, connectivity=8)
    found = cc3d.statistics(labels, no_slice_conversion=True)["bounding_boxes"][1:].astype(np.int64)
    return found[:, [2, 0, 3, 1]]


FINDERS: dict[str, Finder] = {"ours": ours, "SciPy": scipy, "OpenCV": opencv, "connected-components-3d": cc3d}


def masks() -> Iterator[tuple[str, int, list[np.ndarray]]]:
    """What they are of, their side and (side, side) bool each."""
    model = pylon_zoo.create_model("pylon_resnet18", pretrained="phantom_cxr").eval()
    samples = list(prepared(model, open_dataset("phantom", "val", count=max(SIZES.values())), 128))
    with torch.inference_mode():
        heatmaps = model.forward_heatmap(torch.stack([one.image for one in samples])).sigmoid()
    strongest = heatmaps[torch.arange(len(heatmaps)), heatmaps.amax(dim=(2, 3)).argmax(dim=1)]
    for side, count in SIZES.items():
        grid = model.cell_grid((128, 128)).scaled((128, 128), (side, side))
        maps = unit_range(upsample(strongest[:count], (side, side), grid))
        yield "heatmaps", side, list((maps >= 0.3).numpy())
        for share in (0.5, 0.1):
            draws = (np.random.default_rng(seed).random((side, side)) < share for seed in range(max(1, count // 4)))
            yield f"noise, {share:.0%} set", side, list(draws)


def milliseconds(find: Finder, cases: Sequence[np.ndarray], rounds: int) -> float:
    """Processor milliseconds a mask."""
    find(cases[0])
    seconds = []
    for _ in range(rounds):
        before = process_time()
        for mask in cases:
            find(mask)
        seconds.append(process_time() - before)
    return 1000 * min(seconds) / len(cases)


def measure(rounds: int) -> Iterator[dict[str, Any]]:
    """A row for each kind of mask."""
    for what, side, cases in masks():
        boxes = {name: [sorted(map(tuple, find(mask).tolist())) for mask in cases] for name, find in FINDERS.items()}
        for name, found in boxes.items():
            if found != boxes["ours"]:
                raise SystemExit(f"{name} finds other regions in {what} of {side} pixels.")
        regions = sum(map(len, boxes["ours"])) / len(cases)
        times = {name: round(milliseconds(find, cases, rounds), 3) for name, find in FINDERS.items()}
        yield {"what": what, "size": side, "regions": round(regions, 1), **times}


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    lines = [
        "Boxes of 8-connected regions, processor milliseconds a mask:\n",
        f"| masks | pixels | regions | {' | '.join(FINDERS)} |",
        "|---" * (3 + len(FINDERS)) + "|",
    ]
    for row in rows:
        times = " | ".join(f"{row[name]:.2f}" for name in FINDERS)
        lines.append(f"| {row['what']} | {row['size']}×{row['size']} | {row['regions']:.0f} | {times} |")
    return "\n".join([*lines, f"\nIn one run, the quickest of {rows[0]['rounds']} rounds ({rows[0]['machine']})."])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--csv", type=Path, default=results_file(NAME), help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    common = {"rounds": args.rounds, "machine": describe()}
    publish([row | common for row in measure(args.rounds)], report, args.csv, args.out, command_for(NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
