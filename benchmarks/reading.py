"""How long a dataset's tables take to read, and how much memory: 112,120 images, half of them with a box.

    python benchmarks/reading.py            # writes docs/speed.md and benchmarks/results/reading.csv

Writes the tables of NIH ChestX-ray14 in its release's layout, and the same as a plain CSV table, with empty files for
images, to a temporary folder. Each run is a fresh process that opens the training split once. Seconds are medians over
the runs, on the clock and of the processor, which other work on the machine does not count towards; megabytes are what
the process's peak resident memory grew by, the most of all runs. Exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from machine import describe, load
from tables import PAGE, Row, command_for, publish, results_file

from pylon_zoo.data.nih import CLASSES

NAME = "reading"
ROWS = 112_120
LIMIT_SECONDS, LIMIT_MEGABYTES = 3.0, 300.0
HEADER = ("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "View Position")
MEASURE = """
import sys
from time import perf_counter, process_time
import torchvision.transforms.v2
from pylon_zoo.data import nih, csv_table, open_dataset

sys.path.insert(0, sys.argv[2])
from machine import peak_resident

before, clock, processor = peak_resident(), perf_counter(), process_time()
data = open_dataset(sys.argv[1], "train")
print(perf_counter() - clock, process_time() - processor, (peak_resident() - before) / 1e6, len(data))
"""


def write_release(root: Path, rows: int) -> int:
    """The release's tables, and `labels.csv` and `boxes.csv` of the same; how many boxes they have."""
    draw = random.Random(0)
    (root / "images").mkdir(parents=True)
    images, patient = [], 0
    while len(images) < rows:
        patient += 1
        images += [(f"{patient:08}_{number:03}.png", patient) for number in range(draw.choice([1, 1, 2, 3, 5, 8]))]
    del images[rows:]
    found = {name: draw.sample(CLASSES, draw.choice([1, 1, 2])) if draw.random() < 0.46 else [] for name, _ in images}
    corner, extent = (lambda: draw.randrange(500)), (lambda: draw.randrange(50, 400))
    boxes = {name: (corner(), corner(), extent(), extent()) for name, _ in images if found[name]}
    last = images[int(0.77 * rows)][1]  # of the patients who do not test
    split = {name: "train" if of <= last else "test" for name, of in images}
    tables = {
        "Data_Entry_2017.csv": [
            HEADER,
            *([name, "|".join(found[name]) or "No Finding", 0, of, 58, "PA"] for name, of in images),
        ],
        "BBox_List_2017.csv": [
            ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"],
            *([name, found[name][0], *box] for name, box in boxes.items()),
        ],
        "train_val_list.txt": [[name] for name, _ in images if split[name] == "train"],
        "test_list.txt": [[name] for name, _ in images if split[name] == "test"],
        "labels.csv": [
            ["image", "patient", "split", *CLASSES],
            *([f"images/{name}", of, split[name], *(int(c in found[name]) for c in CLASSES)] for name, of in images),
        ],
        "boxes.csv": [
            ["image", "label", "x0", "y0", "x1", "y1"],
            *([f"images/{name}", found[name][0], x, y, x + w, y + h] for name, (x, y, w, h) in boxes.items()),
        ],
    }
    for name, lines in tables.items():
        with (root / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
    for name, _ in images:
        (root / "images" / name).touch()
    return len(boxes)


def measure(spec: str) -> list[float]:
    """Seconds on the clock and of the processor, megabytes and images of the split, in a fresh process."""
    command = [sys.executable, "-c", MEASURE, spec, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The process that is timed failed:\n{done.stderr}")
    return [float(word) for word in done.stdout.split()]


def report(rows: Sequence[Row]) -> str:
    """The table for the page."""
    return "\n".join(
        [
            "| dataset | images | boxes | seconds, least to most | of the processor | peak memory over the library's |",
            "|---|---|---|---|---|---|",
            *(
                f"| `{row['dataset']}` | {row['rows']:,} | {row['boxes']:,} | {row['seconds']:.2f} "
                f"({row['least']:.2f}–{row['most']:.2f}) | {row['processor_seconds']:.2f} | {row['peak_mb']:.0f} MB |"
                for row in rows
            ),
            "",
            f"Medians over {rows[0]['runs']} runs; load {rows[0]['load']}; {rows[0]['machine']}.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="images (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes for each reader (default: %(default)s)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "release"
        boxes = write_release(root, args.rows)
        for name in ("nih-cxr14", "csv"):
            measure(f"{name}:{root}")  # fills the disk cache
            clock, processor, memory, images = zip(*(measure(f"{name}:{root}") for _ in range(args.runs)), strict=True)
            lines.append(
                {
                    "dataset": name,
                    "rows": args.rows,
                    "boxes": boxes,
                    "train_images": int(images[0]),
                    "seconds": round(median(clock), 2),
                    "least": round(min(clock), 2),
                    "most": round(max(clock), 2),
                    "processor_seconds": round(median(processor), 2),
                    "peak_mb": round(max(memory), 1),
                    "runs": args.runs,
                    "load": round(load(), 1),
                    "machine": describe(),
                }
            )
    publish(lines, report, args.csv, args.out, command_for(NAME))
    return int(any(line["seconds"] > LIMIT_SECONDS or line["peak_mb"] > LIMIT_MEGABYTES for line in lines))


if __name__ == "__main__":
    sys.exit(main())
