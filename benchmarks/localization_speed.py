"""What the localization metrics cost, beside a ResNet-50's forward pass and beside wsolevaluation's MaxBoxAccV2.

    python benchmarks/localization_speed.py             # some minutes; writes docs/speed.md and the CSV

Phantoms of the validation split with the bundled model's heatmaps. All figures are processor seconds, which a busy
machine raises far less than those of a clock. MaxBoxAccV2 in wsolevaluation's way (Choe et al. 2020: each of 1000
thresholds, then `cv2.threshold`, `findContours`, `boundingRect` and IoU; written anew from that definition) takes turns
with ours, batch by batch, and must count the same. Exits with 1 where it does not, where a metric takes longer than the
classifier's forward pass or than half of wsolevaluation's way, or where evaluating by all box metrics takes more than
60 seconds or those metrics, controls included, more than 30 of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from machine import describe, load
from tables import PAGE, Row, command_for, publish, results_file
from torch import Tensor
from torch.utils.data import DataLoader

import pylon_zoo
from pylon_zoo.cells import CellGrid
from pylon_zoo.data.registry import drawing_options, open_dataset
from pylon_zoo.data.sample import Batch, collate
from pylon_zoo.evaluation import evaluate
from pylon_zoo.evaluation.controls import Controls
from pylon_zoo.evaluation.evaluate import prepared
from pylon_zoo.metrics import LOCALIZATION, MaxBoxAccuracy
from pylon_zoo.metrics.findings import drawn
from pylon_zoo.metrics.overlap import OverlapAccuracy, RegionAccuracy

NAME = "localization_speed"
BACKBONE, SIZE, IMAGES, BATCH = "resnet50", 128, 500, 32
CLASSIFIER, ZOO = "forward pass, plain classifier", "forward pass, PYLON"
THEIRS, OURS = "MaxBoxAccV2, wsolevaluation's way", "MaxBoxAccV2, all cuts at once"
EVALUATION = "evaluation by all box metrics, drawing and controls included"
METRICS, CONTROLS = "its metrics on the model's heatmaps", "its metrics on the three controls, drawing them included"
MOST, MOST_OF_METRICS, MOST_OF_THEIRS = 60.0, 30.0, 0.5


class Judged(NamedTuple):
    """What metrics take: heatmaps (N, K, h, w) and the batch that they are of."""

    heatmaps: Tensor
    batch: Batch


def cost(run: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    before = process_time()
    run()
    return process_time() - before


def box_metrics() -> tuple[str, ...]:
    """Names of the metrics that compare boxes or areas of thresholded maps with boxes."""
    kinds = (MaxBoxAccuracy, OverlapAccuracy, RegionAccuracy)
    return tuple(name for name, make in LOCALIZATION.items() if isinstance(make(1, (2, 2)), kinds))


def judge(name: str, judged: Sequence[Judged], size: tuple[int, int], grid: CellGrid | None) -> int:
    """Run one metric over all heatmaps; the number of pairs."""
    metric = LOCALIZATION[name](judged[0].heatmaps.shape[1], size, grid=grid)
    for heatmaps, batch in judged:
        metric.update(heatmaps, drawn(batch.boxes, batch.masks) if metric.by_masks else batch.boxes)
    return int(metric.compute().support.sum())


def forwards(backbone: str, images: Sequence[Tensor], classes: int) -> dict[str, float]:
    """Processor seconds of the classifier and of PYLON with its heatmaps, on images of three channels."""
    plain = timm.create_model(backbone, num_classes=classes).eval()
    zoo = pylon_zoo.create_pylon(backbone, classes).eval()
    found = dict.fromkeys((CLASSIFIER, ZOO), 0.0)
    with torch.inference_mode():
        for model in (plain, zoo):
            model(images[0][:2].expand(-1, 3, -1, -1))
        for batch in images:
            x = batch.expand(-1, 3, -1, -1).contiguous()
            found[CLASSIFIER] += cost(partial(plain, x))
            found[ZOO] += cost(partial(zoo.forward_with_heatmap, x))
    return found


def wsolevaluation_right(image: np.ndarray, boxes: np.ndarray, ious: Sequence[float]) -> np.ndarray:
    """(1000, ious) bool: is any contour of an (H, W) uint8 map above each threshold close to any box (B, 4)?"""
    import cv2

    height, width = image.shape
    estimated, counts = [], []
    for threshold in np.arange(0, 1, 0.001):
        _, binary = cv2.threshold(image, int(threshold * image.max()), 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        rects = [cv2.boundingRect(contour) for contour in contours]
        found = [[x, y, min(x + w, width - 1), min(y + h, height - 1)] for x, y, w, h in rects] or [[0, 0, 0, 0]]
        estimated += found
        counts.append(len(found))
    a, b = np.array(estimated, dtype=np.float64)[:, None], boxes.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    both = sides.clip(min=0).prod(axis=2)
    area, other = ((one[..., 2:] - one[..., :2] + 1).prod(axis=2) for one in (a, b))
    best = np.maximum.reduceat((both / (area + other - both)).max(axis=1), np.cumsum([0, *counts[:-1]]))
    return best[:, None] >= np.array(ious)


def by_wsolevaluation(metric: MaxBoxAccuracy, heatmaps: Tensor, batch: Batch) -> np.ndarray:
    """(K, 1000, ious): how many pairs of a batch are right at each threshold."""
    right = np.zeros((metric.num_classes, 1000, len(metric.ious)), dtype=np.int64)
    for pairs in metric.pairs(heatmaps, batch.boxes):
        low, high = pairs.maps.amin(dim=(1, 2), keepdim=True), pairs.maps.amax(dim=(1, 2), keepdim=True)
        images = ((pairs.maps - low) / (high - low) * 255).to(torch.uint8).numpy()
        for index, (image, label) in enumerate(zip(images, pairs.labels.tolist(), strict=True)):
            right[label] += wsolevaluation_right(image, pairs.boxes[pairs.owner == index].numpy(), metric.ious)
    return right


def max_box(judged: Sequence[Judged], size: tuple[int, int], grid: CellGrid | None) -> tuple[dict[str, float], bool]:
    """Processor seconds of both ways in turns, and whether they count the same at the best threshold of each IoU."""
    metric = MaxBoxAccuracy(judged[0].heatmaps.shape[1], size, grid=grid)
    found, right = dict.fromkeys((THEIRS, OURS), 0.0), []
    for heatmaps, batch in judged:
        found[OURS] += cost(partial(metric.update, heatmaps, batch.boxes))
        before = process_time()
        right.append(by_wsolevaluation(metric, heatmaps, batch))
        found[THEIRS] += process_time() - before
        print(f"{THEIRS}: {len(right)} of {len(judged)} batches", file=sys.stderr, flush=True)
    theirs = sum(right)
    same = (metric.right.amax(dim=1).numpy() == theirs.max(axis=1)).all()
    return found, bool(same and (metric.right.sum(0).amax(0).numpy() == theirs.sum(axis=0).max(axis=0)).all())


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows."""
    model = pylon_zoo.create_model("pylon_resnet18", pretrained="phantom_cxr").eval()
    dataset = open_dataset("phantom", "val", **drawing_options("phantom", args.size), count=args.images)
    size, judged, images = (args.size, args.size), [], []
    for batch in DataLoader(prepared(model, dataset, args.size), BATCH, collate_fn=collate):
        with torch.inference_mode():
            judged.append(Judged(model.forward_heatmap(batch.images), batch))
        images.append(batch.images)
    grid = model.cell_grid(size)
    rows: list[dict[str, Any]] = []

    def add(what: str, cases: int, seconds: float) -> None:
        rows.append({"what": what, "cases": cases, "processor_seconds": round(seconds, 2)})

    for what, seconds in forwards(args.backbone, images, model.num_classes).items():
        add(what, len(dataset), seconds)
    judge("point_accuracy", judged[:1], size, grid)
    for name in LOCALIZATION:
        before = process_time()
        pairs = judge(name, judged, size, grid)
        add(name, pairs, process_time() - before)
    found, same = max_box(judged, size, grid)
    for what, seconds in found.items():
        add(what, pairs, seconds)

    chosen = box_metrics()
    add(EVALUATION, len(dataset), cost(partial(evaluate, model, dataset, size=args.size, metrics=chosen)))

    chosen = ("point_accuracy", *chosen)  # which an evaluation always has
    add(METRICS, pairs, sum(cost(partial(judge, name, judged, size, grid)) for name in chosen))
    rivals = Controls(model.num_classes, chosen)
    add(CONTROLS, 3 * pairs, sum(cost(partial(rivals.update, b.boxes, size, b.paths, b.masks)) for _, b in judged))
    return [row | {"same_counts": same} for row in rows]


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    seconds = {row["what"]: row["processor_seconds"] for row in rows}
    slowest = max((name for name in LOCALIZATION), key=seconds.__getitem__)
    lines = [
        f"{first['cases']} phantoms of {first['size']}×{first['size']} pixels, {first['classes']} classes, "
        f"`{first['backbone']}`; metrics on the bundled model's heatmaps, {judged_pairs(rows)} pairs of image and "
        "class:\n",
        "| | processor seconds | × plain classifier's forward pass |",
        "|---|---|---|",
    ]
    for what, value in seconds.items():
        name = f"`{what}`" if what in LOCALIZATION else what
        lines.append(f"| {name} | {value:.2f} | {value / seconds[CLASSIFIER]:.2f} |")
    return "\n".join(
        [
            *lines,
            f"\nIn one run, on a machine whose load was {first['load']} ({first['machine']}).\n",
            f"- the slowest metric (`{slowest}`) to the plain classifier's forward pass: "
            f"{seconds[slowest] / seconds[CLASSIFIER]:.2f}",
            f"- all cuts at once to wsolevaluation's way: {seconds[OURS] / seconds[THEIRS]:.3f}; "
            f"their counts {'are the same' if first['same_counts'] == 'True' else 'differ'}",
        ]
    )


def judged_pairs(rows: Sequence[Row]) -> int:
    """The number of pairs that metrics judged."""
    return next(row["cases"] for row in rows if row["what"] == "max_box")


def failures(rows: Sequence[Row]) -> list[str]:
    """What was promised and does not hold."""
    seconds = {row["what"]: row["processor_seconds"] for row in rows}
    promises = {
        "counts differ from wsolevaluation's": rows[0]["same_counts"],
        "a metric takes longer than the forward pass": max(map(seconds.__getitem__, LOCALIZATION))
        <= seconds[CLASSIFIER],
        "more than half of wsolevaluation's way": seconds[OURS] <= MOST_OF_THEIRS * seconds[THEIRS],
        "the evaluation takes too long": seconds[EVALUATION] <= MOST,
        "its metrics take too long": seconds[METRICS] + seconds[CONTROLS] <= MOST_OF_METRICS,
    }
    return [name for name, kept in promises.items() if not kept]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE, help=f"of the forward pass (default: {BACKBONE})")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"(default: {IMAGES})")
    parser.add_argument("--size", type=int, default=SIZE, help=f"of their sides in pixels (default: {SIZE})")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME), help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    rows = measure(args)
    common = {
        "classes": 8,
        "size": args.size,
        "backbone": args.backbone,
        "load": f"{load():.1f}",
        "machine": describe(),
    }
    publish([row | common for row in rows], report, args.csv, args.out, command_for(NAME))
    broken = failures(rows)
    print(*broken, sep="\n", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
