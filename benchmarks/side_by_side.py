"""Heatmaps by every means, side by side: the classifier, PYLON by every runtime, smp, and packages for Grad-CAM.

    python benchmarks/side_by_side.py                           # exports, takes the times; docs/speed.md and the CSV
    python benchmarks/side_by_side.py --files DIR --prepare     # exports and int8 copies into DIR, and no more;
    python benchmarks/side_by_side.py --files DIR               # takes the times of those that are there

ResNet-50, 14 classes, 256×256 pixels, random weights, one thread. All take turns, in batches of 8 and of 1; medians
over the rounds, in processor time, which a busy machine raises far less than a clock's. Each but the plain classifier
makes a map of every class. Grad-CAM's packages do all work anew for each class, so they are timed on the first class
alone and scaled up. Both laterals of PYLON take part: the paper's, and the light ones that recipes of our own have.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from attribution_speed import CAPTUM, LAYER, PYTORCH_GRAD_CAM, TORCHCAM, contestants
from inference_speed import BACKBONE, CLASSES, PEERS, PLAIN, SIZE, Run, classifier, images, method
from machine import describe, load
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave, ratio

import pylon_zoo as pz
from pylon_zoo.deployment.exporting import export
from pylon_zoo.deployment.quantization import quantize
from pylon_zoo.errors import ConfigError

NAME = "side_by_side"
BATCHES = (8, 1)
LOOPS = (PYTORCH_GRAD_CAM, TORCHCAM, CAPTUM)
SMP = {f"{name} (smp)": PEERS[name] for name in ("U-Net", "FPN")}
LATERALS = ("paper", "light")
CHANNELS_LAST = f"{PLAIN}, channels last"
# Exported file's way → backend, precision, whether it is the int8 copy.
EXPORTED: dict[str, tuple[str, torch.dtype, bool]] = {
    "ONNX Runtime": ("onnxruntime", torch.float32, False),
    "ONNX Runtime, int8": ("onnxruntime", torch.float32, True),
    "OpenVINO": ("openvino", torch.float32, False),
    "OpenVINO, bfloat16": ("openvino", torch.bfloat16, False),
    "OpenVINO, int8": ("openvino", torch.float32, True),
}


def title(lateral: str, way: str) -> str:
    """What a row of PYLON is called."""
    return f"PYLON, {'light laterals' if lateral == 'light' else 'the paper'}: {way}"


def file(folder: Path, backbone: str, lateral: str, int8: bool) -> Path:
    """Where an exported file is."""
    return folder / f"{backbone}_{lateral}{'_int8' * int8}.onnx"


def seeded(backbone: str, lateral: str) -> Any:
    """PYLON with the same random weights every time."""
    torch.manual_seed(0)
    return pz.create_pylon(backbone, CLASSES, lateral=lateral).eval()


def prepare(backbone: str, folder: Path) -> None:
    """Write what `EXPORTED` reads; what is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for lateral in LATERALS:
        path, int8 = (file(folder, backbone, lateral, quantized) for quantized in (False, True))
        if not path.exists():
            export(seeded(backbone, lateral), path, size=SIZE)
        if not int8.exists():
            quantize(path, int8, [images(1)])


def runs_of(backbone: str, folder: Path) -> dict[str, Run]:
    """Name → what makes the heatmaps of a batch; the classifier makes logits alone."""
    runs: dict[str, Run] = {
        PLAIN: classifier(backbone, torch.contiguous_format),
        CHANNELS_LAST: classifier(backbone, torch.channels_last),
    }
    for lateral in LATERALS:
        model = seeded(backbone, lateral)
        runs[title(lateral, "eager")] = model.forward_with_heatmap
        runs[title(lateral, "optimized")] = pz.optimize(model).forward_with_heatmap
        runs[title(lateral, "optimized, bfloat16")] = pz.optimize(model, dtype=torch.bfloat16).forward_with_heatmap
        for way, (backend, dtype, int8) in EXPORTED.items():
            path = file(folder, backbone, lateral, int8)
            try:
                exported = pz.load_exported(path, backend=backend, dtype=dtype)
            except ConfigError as error:  # a precision that this processor lacks
                print(f"{way}: {error}", file=sys.stderr)
            else:
                runs[title(lateral, way)] = exported.forward_with_heatmap
    return runs | {name: method(backbone, kind) for name, kind in SMP.items()}


def loops_of(backbone: str, layer: str) -> dict[str, Run]:
    """Name → the map of the first class, by the packages that begin anew for each."""
    entrants = contestants(backbone, layer, CLASSES)
    return {name: (lambda x, one=entrants[name]: one.run(x, 1)) for name in LOOPS}


def timed(runs: dict[str, Run], x: torch.Tensor, rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round; loops, which need gradients, ask for them themselves."""

    def turn(name: str, run: Run) -> Callable[[], object]:
        if name in LOOPS:
            return lambda: run(x)
        return torch.no_grad()(lambda: run(x))

    return interleave({name: turn(name, run) for name, run in runs.items()}, rounds, 1, clock=time.process_time)


def measure(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """The table, a dict a row."""
    runs = runs_of(args.backbone, folder) | loops_of(args.backbone, args.layer)
    # Single images take a third of the time a batch takes, and vary more.
    seconds = {batch: timed(runs, images(batch), args.rounds * (3 if batch == 1 else 1)) for batch in BATCHES}
    rows = []
    for name in runs:
        scale = CLASSES if name in LOOPS else 1
        row: dict[str, Any] = {"way": name, "backbone": args.backbone}
        for batch in BATCHES:
            took, plain = seconds[batch][name], seconds[batch][PLAIN]
            row[f"ms_per_image_{batch}"] = round(1000 * scale * median(took) / batch, 2)
            row[f"to_plain_{batch}"] = round(scale * ratio(took, plain), 3)
        runtimes = ", ".join(f"{package} {version(package)}" for package in ("onnxruntime", "openvino"))
        rows.append(row | {"rounds": args.rounds, "load": round(load(), 1), "machine": f"{describe()}, {runtimes}"})
    return rows


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    large, single = BATCHES
    lines = [
        f"`{first['backbone']}`, {CLASSES} classes, {SIZE}×{SIZE} pixels, one thread; a map of every class, but "
        "for the classifier, which makes none:\n",
        f"| | processor ms an image, batches of {large} | × plain | of one image | × plain |",
        "|---|---|---|---|---|",
        *(
            f"| {row['way']} | {row[f'ms_per_image_{large}']:.1f} | {row[f'to_plain_{large}']:.2f} "
            f"| {row[f'ms_per_image_{single}']:.1f} | {row[f'to_plain_{single}']:.2f} |"
            for row in rows
        ),
        f"\nIn one run, medians over {first['rounds']} rounds, {3 * first['rounds']} of single images "
        f"(load {first['load']}; {first['machine']}). Packages that begin anew for each class were timed on one and "
        "scaled up.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare, or measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, metavar="DIR", help="where exported files are kept; by default nowhere")
    parser.add_argument("--prepare", action="store_true", help="write them, and time nothing")
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--layer", default=LAYER, help="of Grad-CAM (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of each runtime (default: %(default)s)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    if args.prepare and args.files is None:
        parser.error("--prepare needs --files DIR to write to.")
    torch.set_num_threads(args.threads)
    with TemporaryDirectory() as scratch:
        folder = args.files or Path(scratch)
        prepare(args.backbone, folder)
        if not args.prepare:
            publish(measure(args, folder), report, args.csv, args.out, command_for(NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
