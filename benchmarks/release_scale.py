"""What a release of 112,120 images asks of a machine: tables, splits, `data check`, `data prepare`, an epoch's reading.

    python benchmarks/release_scale.py                          # draws the stand-in; writes results/release_scale.csv
    python benchmarks/release_scale.py --release DIR            # goes by one that is there, of nih_stand_in.py
    python benchmarks/release_scale.py --compression 0          # its copy in larger files that are read sooner

Every figure is of a fresh process. Seconds are the processor's, all processes together, as other work on the machine
does not count towards them; those of the clock stand beside. An epoch is one shuffled pass over the training images of
the 64-pixel copy on one thread, in parts of 1,000 images: images per second are the median of the parts, with their
best tenth beside it, for what a part costs depends on who shares the core. Memory grows by what is resident at the
epoch's end beyond what was after its first tenth. Exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import describe, load
from nih_stand_in import IMAGES, write_release
from reading import measure
from tables import PAGE, command_for, publish, results_file

NAME = "release_scale"
SIDE = 64
LIMITS: dict[str, tuple[str, float]] = {
    "index": ("at most", 3.0),
    "index_mb": ("at most", 300.0),
    "shuffle_and_split": ("at most", 1.0),
    "read": ("at least", 5_000.0),
    "epoch_mb": ("at most", 32.0),
}
"""Figure → what is asked of it."""
SPLIT = """
import sys
from time import perf_counter, process_time
from pylon_zoo.data import open_dataset
from pylon_zoo.data.nih import VAL_SALT
from pylon_zoo.data.splits import assign_by_hash, check_patient_leak
from pylon_zoo.training.order import EpochOrder, EpochPlan

splits = {split: open_dataset(sys.argv[1], split).patients for split in ("train", "val", "test")}
clock, processor = perf_counter(), process_time()
assign_by_hash(splits["train"] + splits["val"], {"train": 0.875, "val": 0.125}, VAL_SALT)
check_patient_leak(**splits)
order = EpochOrder(EpochPlan(len(splits["train"]), 64), seed=0)
order.begin(epoch=1)
batches = list(order)
print(perf_counter() - clock, process_time() - processor, len(batches))
"""
EPOCH = """
import sys, json
from time import perf_counter, process_time
import torch
from pylon_zoo.data import open_dataset
from pylon_zoo.training.order import EpochOrder, EpochPlan

def resident():
    for line in open("/proc/self/status", encoding="utf-8"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000

torch.set_num_threads(1)
data = open_dataset(sys.argv[1], "train")
order = EpochOrder(EpochPlan(len(data), 1000), seed=0)
order.begin(epoch=0)
clock, processor, rates, memory = perf_counter(), process_time(), [], []
for batch in order:
    start = process_time()
    for _, index in batch:
        data.load(index)
    rates.append(len(batch) / (process_time() - start))
    memory.append(resident())
print(json.dumps([perf_counter() - clock, process_time() - processor, rates, memory]))
"""


def index(release: Path, copy: Path) -> list[dict[str, Any]]:
    """The training split, opened."""
    spec = f"nih-cxr14:{release}"
    measure(spec)  # fills the disk cache
    clock, processor, megabytes, images = measure(spec)
    return [
        _figure("index", processor, "s", clock, f"tables read, {int(images):,} training images found"),
        _figure("index_mb", megabytes, "MB", None, "peak memory of it, beyond what the library takes"),
    ]


def shuffle_and_split(release: Path, copy: Path) -> list[dict[str, Any]]:
    """What an epoch's order takes, with the patients shared out and checked anew."""
    clock, processor, _ = map(float, _run(["-c", SPLIT, f"nih-cxr14:{release}"])[0].split())
    return [_figure("shuffle_and_split", processor, "s", clock, "patients shared out and checked, an epoch's batches")]


def check(release: Path, copy: Path) -> list[dict[str, Any]]:
    """`pylon-zoo data check` with two workers."""
    said, clock, processor = _run(["-m", "pylon_zoo", "data", "check", f"nih-cxr14:{release}", "--workers", "2"])
    return [_figure("check", processor, "s", clock, f"data check --workers 2: {said.strip().splitlines()[-1]}")]


def prepare(release: Path, copy: Path, compression: int = 6) -> list[dict[str, Any]]:
    """`pylon-zoo data prepare`, or the same again where the copy is there: all of it is hashed."""
    again = (copy / "prepared.json").is_file()
    words = ["data", "prepare", f"nih-cxr14:{release}", "--out", str(copy), "--size", str(SIDE), "--quiet"]
    words += ["--compression", str(compression)]
    _, clock, processor = _run(["-m", "pylon_zoo", *words])
    what = "checked again" if again else "written"
    return [
        _figure(
            "prepare_again" if again else "prepare",
            processor,
            "s",
            clock,
            f"data prepare --size 64 --compression {compression}, {what}",
        )
    ]


def epoch(release: Path, copy: Path) -> list[dict[str, Any]]:
    """Every training image of the copy, read once in an epoch's order."""
    clock, processor, rates, memory = json.loads(_run(["-c", EPOCH, f"nih-cxr14:{copy}"])[0])
    ranked = sorted(rates)
    best, middle = ranked[int(0.9 * len(ranked))], ranked[len(ranked) // 2]
    grown = memory[-1] - memory[len(memory) // 10]
    return [
        _figure("read", middle, "images/s", None, f"read at 64 px on one thread; best tenth {best:,.0f}"),
        _figure("epoch", processor, "s", clock, "the whole epoch's reading"),
        _figure("epoch_mb", grown, "MB", None, "memory grown by over it"),
    ]


MEASURED: tuple[Callable[..., list[dict[str, Any]]], ...] = (index, shuffle_and_split, check, prepare, epoch)


def _figure(figure: str, value: float, unit: str, clock: float | None, what: str) -> dict[str, Any]:
    digits = 0 if unit == "images/s" else 2
    seconds = "" if clock is None else round(clock, 2)
    return {"figure": figure, "value": round(value, digits), "unit": unit, "clock_seconds": seconds, "what": what}


def _run(words: Sequence[str]) -> tuple[str, float, float]:
    """What Python says when run with these words; seconds on the clock, and of the processor with its children."""
    before, clock = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"The process that is timed failed:\n{done.stdout}{done.stderr}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, time.perf_counter() - clock, spent


def passes(row: dict[str, Any]) -> bool:
    """Whether a figure is what is asked of it."""
    if row["figure"] not in LIMITS:
        return True
    kind, limit = LIMITS[row["figure"]]
    return bool(row["value"] <= limit if kind == "at most" else row["value"] >= limit)


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = ["| | measured | asked | clock |", "|---|---|---|---|"]
    for row in rows:
        kind, limit = LIMITS.get(row["figure"], ("", 0.0))
        asked = f"{kind} {limit:,.0f} {row['unit']}" if kind else ""
        clock = "" if row["clock_seconds"] in ("", None) else f"{row['clock_seconds']:,.1f} s"
        shown = f"{row['value']:,.0f}" if row["unit"] == "images/s" else f"{row['value']:,.1f}"
        lines.append(f"| {row['what']} | {shown} {row['unit']} | {asked} | {clock} |")
    first = rows[0]
    return "\n".join(lines) + f"\n\n{first['images']:,} images; load {first['load']}; {first['machine']}.\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES, help="of the stand-in (default: %(default)s)")
    parser.add_argument("--release", type=Path, metavar="DIR", help="a stand-in that is there; by default one is drawn")
    parser.add_argument("--copy", type=Path, metavar="DIR", help="where its copy goes, or is")
    parser.add_argument("--compression", type=int, default=6, help="of the copy's files (default: %(default)s)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        release, copy = args.release or Path(scratch) / "release", args.copy or Path(scratch) / "copy"
        if args.release is None:
            write_release(release, args.images, SIDE)
        for figures in MEASURED:
            options = {"compression": args.compression} if figures is prepare else {}
            for row in figures(release, copy, **options):
                rows.append({**row, "images": args.images, "load": round(load(), 1), "machine": describe()})
                print(f"{row['figure']}: {row['value']:,} {row['unit']}, {row['what']}", flush=True)
    publish(rows, report, args.csv, PAGE, command_for(NAME))
    return int(not all(map(passes, rows)))


if __name__ == "__main__":
    sys.exit(main())
