"""What the metrics cost: point accuracy at image size, and masked-out area by scan and by bisection.

    python benchmarks/metrics.py

Point accuracy judges 984 maps of 64 × 64 (as many as NIH ChestX-ray14 has boxed pairs) at 1024 × 1024 pixels, then four
times as many, each in a fresh process whose peak memory is read at its end. Masked-out area runs the bundled checkpoint
on phantom test images, in turns, the quickest of each counting: times on a machine that is not quiet (the load average
stands in the table) say little, forwards say all. Its first row is one image per forward, the definition. Prints the
table and writes it to benchmarks/results/metrics.csv; exits with 1 if the 984 maps take 10 seconds or more.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

import torch
from machine import describe, load, peak_resident
from torch import Tensor

import pylon_zoo
from pylon_zoo.data.registry import open_dataset
from pylon_zoo.metrics import MaskedOutArea, PointAccuracy
from pylon_zoo.preprocessing import eval_transform

COLUMNS = (
    "what",
    "cases",
    "clock_seconds",
    "processor_seconds",
    "peak_mb",
    "forwards",
    "macro",
    "pairs_equal_to_definition",
    "largest_difference",
    "threads",
    "load",
    "machine",
)
LIMIT_SECONDS = 10.0
CLASSES = 8


def points(maps: int, size: int = 1024, batch: int = 24) -> dict[str, str]:
    """Point accuracy over so many maps, made a batch at a time; only the metric is timed."""
    generator = torch.Generator().manual_seed(0)
    metric = PointAccuracy(CLASSES, (size, size))
    clock = processor = 0.0
    for start in range(0, maps, batch):
        count = min(batch, maps - start)
        heatmaps = torch.randn(count, CLASSES, 64, 64, generator=generator)
        corner = torch.rand(count, 2, generator=generator) * size * 0.7
        labels = torch.arange(start, start + count).remainder(CLASSES).unsqueeze(1)
        boxes = torch.cat([labels, corner, corner + size * 0.3], dim=1)
        before = perf_counter(), process_time()
        metric.update(heatmaps, boxes.unsqueeze(1).unbind())
        clock, processor = clock + perf_counter() - before[0], processor + process_time() - before[1]
    peak = peak_resident() / 2**20
    result = metric.compute()
    return {
        "what": f"point accuracy, 64 × 64 maps at {size} pixels",
        "cases": str(int(result.support.sum())),
        "clock_seconds": f"{clock:.2f}",
        "processor_seconds": f"{processor:.2f}",
        "peak_mb": f"{peak:.0f}",
        "macro": f"{result.macro:.4f}",
    }


def phantoms(images: int) -> tuple[torch.nn.Module, Tensor, Tensor, Tensor]:
    """The bundled model with its normalised images (N, C, H, W), heatmaps (N, K, h, w) and targets (N, K)."""
    model = pylon_zoo.create_model("pylon_resnet18", pretrained="phantom_cxr").eval()
    transform = eval_transform(model)
    dataset = open_dataset("phantom", "test", size=transform.size[0])
    dataset.transform = transform
    wanted = (dataset.targets() == 1).any(dim=1).nonzero().flatten()[:images].tolist()
    samples = [dataset[index] for index in wanted]
    x, targets = torch.stack([one.image for one in samples]), torch.stack([one.target for one in samples])
    with torch.inference_mode():
        heatmaps = torch.cat([model.forward_heatmap(chunk) for chunk in x.split(8)])
    return model, x, heatmaps, targets


def masked_out(images: int, batch_size: int, repeats: int) -> list[dict[str, str]]:
    """One row for one forward per step, one for the scan in batches, one for the bisection, in turns."""
    model, x, heatmaps, targets = phantoms(images)
    contestants = (
        ("masked-out area, one image per forward", "scan", 1),
        (f"masked-out area, scan, {batch_size} images per forward", "scan", batch_size),
        (f"masked-out area, bisection, {batch_size} images per forward", "bisection", batch_size),
    )
    found: dict[str, tuple[Tensor, MaskedOutArea]] = {}
    seconds: dict[str, list[tuple[float, float]]] = {what: [] for what, *_ in contestants}
    for _ in range(repeats):
        for what, search, batch in contestants:
            metric = MaskedOutArea(model, model.num_classes, model.thresholds or 0.5, search=search, batch_size=batch)
            before = perf_counter(), process_time()
            found[what] = metric.update(x, heatmaps, targets), metric
            seconds[what].append((perf_counter() - before[0], process_time() - before[1]))

    definition = found[contestants[0][0]][0]
    known = ~definition.isnan()
    rows = []
    for what, (areas, metric) in found.items():
        clock, processor = map(min, zip(*seconds[what], strict=True))
        gaps = (areas - definition)[known].abs()
        rows.append(
            {
                "what": what,
                "cases": str(int(known.sum())),
                "clock_seconds": f"{clock:.2f}",
                "processor_seconds": f"{processor:.2f}",
                "forwards": str(metric.forwards),
                "macro": f"{metric.compute().macro:.4f}",
                "pairs_equal_to_definition": str(int((gaps < 1e-9).sum())),
                "largest_difference": f"{gaps.max():.3f}",
            }
        )
    return rows


def fresh(maps: int, threads: int) -> dict[str, str]:
    """`points` in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--points", str(maps), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return next(csv.DictReader(done.stdout.splitlines()))


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=984)
    parser.add_argument("--images", type=int, default=6, help="phantoms for masked-out area (default: 6)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of masked-out area; the quickest counts")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--points", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "metrics.csv")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    if args.points:
        row = points(args.points)
        writer = csv.DictWriter(sys.stdout, row, lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
        return 0

    common = {"threads": args.threads, "load": f"{load():.1f}", "machine": describe()}
    rows = [fresh(args.maps, args.threads), fresh(4 * args.maps, args.threads)]
    rows += masked_out(args.images, args.batch_size, args.repeats)
    with args.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row | common)
            print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(*common.values(), sep=", ")
    return int(float(rows[0]["clock_seconds"]) >= LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
