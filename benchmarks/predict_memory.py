"""`pylon-zoo predict` on many images, some broken, killed and started again: the same file? And how much memory?

    python benchmarks/predict_memory.py --images 5000 --few 500 --kills 2

Options it does not know go to predict (`--model pylon_resnet18.phantom_cxr`, `--workers 2`). Without a model it is
timm's smallest ResNet at 64 pixels with random weights, so that activations hide nothing of what grows.
Writes small images to a temporary folder, one in a hundred broken, and predicts them three times in processes of their
own: all without disturbance; all with SIGKILL in the middle of a part, as often as asked for, and the same command
again; and only a few. Prints whether the Parquet files are the same bytes and each process's peak memory (`ru_maxrss`),
and writes benchmarks/results/predict.csv. Not on Windows, which does not say what a process that has ended took.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from PIL import Image

SIDE = 64
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
MODEL = """
import sys, torch
from pylon_zoo.models.build import build_model
from pylon_zoo.weights.checkpoint import save_checkpoint
torch.manual_seed(0)
model = build_model("pylon_test_resnet", 3, in_chans=1)
model.pretrained_cfg |= {"input_size": (1, 64, 64)}
save_checkpoint(model, sys.argv[1])
"""
"""Run in a process of its own: a child's peak memory begins with what its parent had."""
wait4 = getattr(os, "wait4", None)  # Windows has none
COLUMNS = (
    "run",
    "options",
    "images",
    "broken",
    "kills",
    "seconds",
    "peak_mb",
    "times_peak_of_few",
    "same_bytes",
    "load",
    "machine",
)


def _encoded(kind: str, pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


BREAKS: tuple[Callable[[np.ndarray], bytes], ...] = (
    lambda pixels: _encoded("jpeg", pixels)[:400],
    lambda pixels: b"",
    lambda pixels: b"This is a letter and no image.\n",
    lambda pixels: _encoded("gif", pixels),  # under another format's suffix, and none that is read
    lambda pixels: _encoded("png", pixels)[:1000],
)
"""Pixels → the bytes of a broken file."""


def draw(folder: Path, count: int, one_in: int) -> int:
    """Write `0.jpg`, `1.png`, `2.jpg`, …; how many of them are broken."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    broken = 0
    for number in range(count):
        pixels = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        kind = ("jpeg", "png")[number % 2]
        content = _encoded(kind, pixels)
        if number % one_in == one_in // 2:
            content = BREAKS[broken % len(BREAKS)](pixels)
            broken += 1
        (folder / f"{number}.{kind.replace('e', '')}").write_bytes(content)
    return broken


def finish(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Exit code and peak memory in MB of a process that has ended or will."""
    _, status, usage = wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * RESIDENT_UNIT / 2**20


def run(command: Sequence[str], out: Path, kill_after: int = 0) -> float:
    """Peak memory in MB of the command; with `kill_after`, killed once it has so many parts, amid the next."""
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    parts = out.with_name(f"{out.name}.parts")
    while kill_after and len(list(parts.glob("[0-9]*.parquet"))) < kill_after:
        if process.poll() is not None:
            raise SystemExit(f"It ended before it could be killed: {process.communicate()[1].decode()}")
        sleep(0.001)
    if kill_after:
        process.kill()
    code, peak = finish(process)
    message = process.stderr.read().decode() if process.stderr else ""
    if code >= 0 if kill_after else code != 0:  # below 0: ended by a signal
        raise SystemExit(f"{' '.join(command)} ended with {code}: {message}")
    return peak


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when the files differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--few", type=int, default=500, help="images of the small run (default: 500)")
    parser.add_argument("--one-in", type=int, default=100, help="so many files, one is broken (default: 100)")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--rows-per-part", type=int, default=250)
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "predict.csv")
    args, options = parser.parse_known_args(argv)
    if wait4 is None or not hasattr(os, "getloadavg"):
        raise SystemExit("The memory of a process that has ended is asked for by os.wait4: run this on Linux or macOS.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        broken = {name: draw(folder / name, n, args.one_in) for name, n in (("many", args.images), ("few", args.few))}
        outs = {name: folder / f"{name}.parquet" for name in ("undisturbed", "killed", "few")}
        command = [sys.executable, "-m", "pylon_zoo", "predict", "--quiet", "--rows-per-part", str(args.rows_per_part)]
        if not {"--model", "--checkpoint"} & set(options):
            subprocess.run([sys.executable, "-c", MODEL, str(folder / "model")], check=True)
            command += ["--checkpoint", str(folder / "model")]
        command += [*options, "--input"]
        parts = -(-args.images // args.rows_per_part)
        kills = [max(1, parts * turn // (args.kills + 1)) for turn in range(1, args.kills + 1)]
        plan = {"few": ("few", []), "undisturbed": ("many", []), "killed": ("many", kills)}
        rows = []
        for name, (source, stops) in plan.items():
            start, load = perf_counter(), os.getloadavg()[0]
            peaks = [run([*command, str(folder / source)], outs[name], stop) for stop in (*stops, 0)]
            rows.append((name, source, len(stops), perf_counter() - start, max(peaks), load))
        same = outs["undisturbed"].read_bytes() == outs["killed"].read_bytes()
    from machine import describe  # imports torch, see MODEL

    table = [
        {
            "run": name,
            "options": " ".join(options),
            "images": {"few": args.few, "many": args.images}[source],
            "broken": broken[source],
            "kills": count,
            "seconds": f"{seconds:.1f}",
            "peak_mb": f"{peak:.1f}",
            "times_peak_of_few": f"{peak / rows[0][4]:.3f}",
            "same_bytes": same if name == "killed" else "",
            "load": f"{load:.1f}",
            "machine": describe(),
        }
        for name, source, count, seconds, peak, load in rows
    ]
    for entry in table:
        print("  ".join(f"{key} {value}" for key, value in entry.items() if value != ""))
    with args.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
