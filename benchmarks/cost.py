"""What training each planned checkpoint costs, and what must be read for a GPU never to wait.

    python benchmarks/cost.py                  # measures this machine's part on one thread: a minute on a free core
    python benchmarks/cost.py --price 2.0      # another assumption, nothing measured again

Measured here: steps of the paper's PYLON on one thread, and how many images a second it reads from the copies of
`data prepare`, augments as the recipe says and normalises, from drawn radiographs. The GPU's images a second at 256
pixels are those of results/training_speed_cuda.csv; for what was not measured there they are scaled by the
floating-point operations of a forward pass, which are counted. Epochs are the recipes' largest number, images those of
the releases. All else is arithmetic, done by `report`, so that the page says nothing that is typed by hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import torch
from decoding import draw
from machine import describe, load
from tables import Row, command_for, publish, read_csv, results_file

from pylon_zoo.data.images import read_image, to_channels
from pylon_zoo.data.prepared import PrepareOptions
from pylon_zoo.data.sample import Sample
from pylon_zoo.data.shrink import shrink
from pylon_zoo.data.transforms import TrainTransform
from pylon_zoo.training.recipe import Recipe
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.weights.entry import Entry
from pylon_zoo.weights.manifest import load_manifest

NAME = "cost"
PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
PRICE = 3.0  # assumed, US dollars for an hour of a rented H100
REFERENCE = ("pylon_resnet50", 256)
COPIES = {256: 320, 512: 576}  # pixels of the model → those of the copy that it is trained from
BATCH = {256: 8, 512: 2}  # images in a step on this machine
VALIDATION = 1 / 3  # of an image's training: a forward pass without the backward one
MEASURED_ON_GPU = {"pylon_resnet50": "PYLON", "cam_resnet50": "plain classifier"}


class Release(NamedTuple):
    """Images that a dataset has to train and to validate on, by the splits that its reader makes."""

    train: int
    val: int


RELEASES = {
    "nih_cxr14": Release(75_690, 10_834),
    "vindr_cxr": Release(10_500, 1_500),
    "pascal_voc": Release(5_717, 5_823),
}
"""NIH ChestX-ray14's 86,524 by patient; 70 and 10 of 100 of VinDr-CXR's 15,000; Pascal VOC 2012's own lists."""


def planned() -> Iterator[tuple[Entry, Recipe]]:
    """Checkpoints that nobody has trained yet, and what trains them."""
    for entry in load_manifest().values():
        if entry.source == "planned":
            yield entry, load_recipe(entry.recipe.partition(" ")[0])


def operations() -> Iterator[dict[str, Any]]:
    """Billions of floating-point operations of a forward pass, counted without computing anything."""
    from torch.utils.flop_counter import FlopCounterMode

    from pylon_zoo.models.build import build_model

    shapes = {(recipe.model.architecture, recipe.data.size) for _, recipe in planned()}
    for architecture, size in sorted(shapes):
        with torch.device("meta"):
            model = build_model(architecture, 14, 1).eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.empty(1, 1, size, size))
        yield _row("operations", architecture, size, counter.get_total_flops() / 1e9, "GFLOP")


def steps(rounds: int = 3) -> Iterator[dict[str, Any]]:
    """Images a second of training the paper's PYLON on one thread."""
    from pylon_zoo.models.build import build_model

    for size, batch in BATCH.items():
        torch.manual_seed(0)
        model = build_model(REFERENCE[0], 14, 1).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        images, targets = torch.randn(batch, 1, size, size), torch.rand(batch, 14).round()
        rates = []
        for _ in range(rounds + 1):  # the first warms up
            start = process_time()
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(model(images), targets).backward()
            optimizer.step()
            rates.append(batch / (process_time() - start))
        yield _row("step", REFERENCE[0], size, median(rates[1:]), "images/s")


def reading(images: int = 24, rounds: int = 5) -> Iterator[dict[str, Any]]:
    """Images a second of one thread from a copy to a batch's row, and how large a copy's image is."""
    augmentation = load_recipe("nih_cxr14_pylon_resnet50_256").data.augmentation
    with tempfile.TemporaryDirectory() as scratch:
        originals = draw(Path(scratch), images)
        for size, side in COPIES.items():
            transform = TrainTransform((size, size), mean=(0.5,), std=(0.25,), augmentation=augmentation)
            for compression in (6, 0):
                options = PrepareOptions("phantom", side, compression=compression)
                copies = [path.with_name(f"{side}-{compression}-{path.name}") for path in originals]
                for path, copy in zip(originals, copies, strict=True):
                    copy.write_bytes(shrink(path, options, 1)[0])
                rates = []
                for _ in range(rounds):
                    start = process_time()
                    for copy in copies:
                        transform(Sample(to_channels(read_image(str(copy)), 1), torch.zeros(14)))
                    rates.append(images / (process_time() - start))
                yield _row("read", f"compression {compression}", size, median(rates), "images/s")
                kilobytes = sum(copy.stat().st_size for copy in copies) / images / 1e3
                yield _row("size", f"compression {compression}", size, kilobytes, "kB")


def _row(figure: str, what: str, size: int, value: float, unit: str) -> dict[str, Any]:
    return {"figure": figure, "what": what, "pixels": size, "value": float(f"{value:.4g}"), "unit": unit}


class Figures:
    """The rows by what they say, with the GPU's beside them.

    Args:
        rows: of the CSV.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.of = {(row["figure"], row["what"], row["pixels"]): row["value"] for row in rows}
        self.price, self.machine, self.load = (rows[0][key] for key in ("price", "machine", "load"))
        self.gpu = {row["model"]: row for row in read_csv(results_file("training_speed", "cuda"))}

    @property
    def gpu_machine(self) -> str:
        """The GPU and what ran on it."""
        return str(self.gpu["PYLON"]["machine"]).partition(",")[0]

    def gpu_rate(self, architecture: str, size: int) -> tuple[float, bool]:
        """Images a second on the GPU, and whether they were measured there."""
        if size == REFERENCE[1] and architecture in MEASURED_ON_GPU:
            return float(self.gpu[MEASURED_ON_GPU[architecture]]["images_per_second"]), True
        like = architecture if architecture in MEASURED_ON_GPU else REFERENCE[0]
        known = float(self.gpu[MEASURED_ON_GPU[like]]["images_per_second"])
        return known * self.of["operations", like, REFERENCE[1]] / self.of["operations", architecture, size], False

    def core_rate(self, architecture: str, size: int) -> float:
        """Images a second of training on one core: PYLON's, by operations for others."""
        name = REFERENCE[0]
        return float(
            self.of["step", name, size] * self.of["operations", name, size] / self.of["operations", architecture, size]
        )


def costs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line for each planned checkpoint: hours on the GPU, price, days on one core."""
    figures, lines = Figures(rows), []
    for entry, recipe in planned():
        release, epochs = RELEASES[recipe.data.name], recipe.schedule.max_epochs * len(recipe.phases.encoder)
        images = (release.train + release.val * VALIDATION) * epochs
        architecture, size = recipe.model.architecture, recipe.data.size
        rate, measured = figures.gpu_rate(architecture, size)
        lines.append(
            {
                "weights": entry.name,
                "pixels": size,
                "images": release.train,
                "epochs": epochs,
                "rate": rate,
                "measured": measured,
                "hours": images / rate / 3600,
                "price": images / rate / 3600 * figures.price,
                "days": images / figures.core_rate(architecture, size) / 86400,
            }
        )
    return lines


def report(rows: Sequence[Row]) -> str:
    """The tables of the page."""
    figures = Figures(rows)
    lines = [
        f"| weights | pixels | images an epoch | epochs, at most | images/s, {figures.gpu_machine} | hours | "
        f"at ${figures.price:.2f} an hour | days on one core here |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in costs(rows):
        shown = f"{one['rate']:,.0f}" if one["measured"] else f"≈ {one['rate']:,.0f}"
        lines.append(
            f"| `{one['weights']}` | {one['pixels']} | {one['images']:,} | {one['epochs']} | {shown} | "
            f"{one['hours']:.2f} | ${one['price']:.2f} | {one['days']:,.0f} |"
        )
    lines += [
        "",
        "≈ is scaled by operations, the others were measured. A core here takes "
        + " and ".join(f"{figures.core_rate(REFERENCE[0], size):.2f} images/s at {size} pixels" for size in BATCH)
        + " of PYLON.",
        "",
        "| the GPU takes, PYLON | from a copy of | one core delivers | cores it needs | it reads |",
        "|---|---|---|---|---|",
    ]
    for size, side in COPIES.items():
        for compression in (6, 0):
            rate, _ = figures.gpu_rate(*REFERENCE[:1], size)
            read = figures.of["read", f"compression {compression}", size]
            kilobytes = figures.of["size", f"compression {compression}", size]
            lines.append(
                f"| {rate:,.0f} images/s at {size} pixels | {side} pixels, `--compression {compression}` | "
                f"{read:,.0f} images/s | {rate / read:.1f} | {rate * kilobytes / 1e3:,.0f} MB/s |"
            )
    return "\n".join(lines) + f"\n\nProcessor seconds, load {figures.load}; {figures.machine}."


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or take what was measured; print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--price", type=float, metavar="DOLLARS", help="an hour of the GPU, and nothing measured anew")
    args = parser.parse_args(argv)
    results = results_file(NAME)
    if args.price is not None:
        rows = [{**row, "price": args.price} for row in read_csv(results)]
    else:
        torch.set_num_threads(1)
        start, fixed = perf_counter(), {"price": PRICE, "load": round(load(), 1), "machine": describe()}
        rows = []
        for measured in (operations, reading, steps):
            for row in measured():
                rows.append({**row, **fixed})
                print(f"{perf_counter() - start:.0f} s: {row}", file=sys.stderr, flush=True)
    publish(rows, report, results, PAGE, command_for(NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
