"""What augmenting costs the loader, and what it hands over: each image by itself there, or a batch on the device.

    python benchmarks/augmenting.py
    python benchmarks/augmenting.py --device cuda   # the same with batches finished on a GPU

Grey PNGs of 320 pixels, read and brought to 256. Both ways take turns in one run, on the same images with the same
draws; medians over the rounds. The loader's times are the processor's, which a busy machine raises far less than a
clock's; so are a device's, where that is the processor. Writes docs/speed.md and the CSV.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from machine import describe, load
from PIL import Image
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave, ratio

from pylon_zoo.data.augmentations import AUGMENTATIONS
from pylon_zoo.data.images import read_image
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import Batch, Sample, collate
from pylon_zoo.training.train import TRANSFORMS

NAME = "augmenting"
STORED, SIZE = 320, 256


def draw(folder: Path, count: int) -> list[Path]:
    """Phantoms as 8-bit PNGs."""
    paths = [folder / f"{number}.png" for number in range(count)]
    for path, sample in zip(paths, PhantomCxr("train", size=STORED, count=count), strict=True):
        Image.fromarray(sample.image[0].numpy()).save(path)
    return paths


def loaded(paths: Sequence[Path], augmentation: str, where: str) -> Batch:
    """A batch as a loader hands it over; the draws are the same each time."""
    torch.manual_seed(0)
    transform = TRANSFORMS[where]((SIZE, SIZE), (0.5,), (0.25,), normalize=False, augmentation=augmentation)
    return collate([transform(Sample(read_image(path), torch.zeros(1))) for path in paths])


def measure(count: int, rounds: int, device: str) -> list[dict[str, Any]]:
    """The table, a dict a row."""
    ways = [(name, where) for name, one in AUGMENTATIONS.items() if one.canvas for where in TRANSFORMS]
    with tempfile.TemporaryDirectory() as folder:
        paths = draw(Path(folder), count)
        loading: dict[str, Callable[[], Batch]] = {" ".join(way): partial(loaded, paths, *way) for way in ways}
        loader = interleave(loading, rounds, 1, clock=time.process_time)
        batches = {name: load_one() for name, load_one in loading.items()}
    finishing = {name: partial(batch.model_input, device) for name, batch in batches.items()}
    clock = time.process_time if device == "cpu" else time.perf_counter
    finished = interleave(finishing, rounds, 1, device, clock)
    rows = []
    for augmentation, where in ways:
        name, usual = f"{augmentation} {where}", f"{augmentation} {next(iter(TRANSFORMS))}"
        rows.append(
            {
                "augmentation": augmentation,
                "augment_on": where,
                "loader_ms": round(1000 * median(loader[name]) / count, 3),
                "to_loader": round(ratio(loader[name], loader[usual]), 3),
                "device_ms": round(1000 * median(finished[name]) / count, 3),
                "kilobytes": round(batches[name].images.nbytes / count / 1000, 1),
                "images": count,
                "rounds": rounds,
                "load": round(load(), 1),
                "machine": describe(device),
            }
        )
    return rows


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    return "\n".join(
        [
            "| augmentation | on | loader, ms an image | × on the loader | device, ms an image | handed over |",
            "|---|---|---|---|---|---|",
            *(
                "| `{augmentation}` | {augment_on} | {loader_ms:.2f} | {to_loader:.2f} | {device_ms:.2f} "
                "| {kilobytes:.0f} kB |".format(**row)
                for row in rows
            ),
            "",
            f"Grey PNGs of {STORED} pixels, read and brought to {SIZE}; batches of {first['images']}, in one run, "
            f"medians over {first['rounds']} rounds (load {first['load']}; {first['machine']}).",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=32, help="in a batch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, as a loader's worker has (default: 1)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--csv", type=Path, help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    rows = measure(args.images, args.rounds, args.device)
    publish(rows, report, args.csv or results_file(NAME, args.device), args.out, command_for(NAME, args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
