"""Grad-CAM maps of all classes per second: ours, and pytorch-grad-cam, torch-cam and Captum looped over the classes.

    python benchmarks/attribution_speed.py --classes 14 --repeats 5

One image, one network with random weights, one process; the contestants take turns, so that whatever else the machine
does disturbs all alike. Prints the table and writes it to benchmarks/results/attribution_speed.csv. Times are on the
clock and on the processor; on a machine that is not quiet (the load average before stands in the table) only the
processor's mean something, and those only with `--threads 1`.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import pytorch_grad_cam
import timm
import torch
import torchcam.methods
from captum.attr import LayerGradCam
from machine import describe
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from pylon_zoo.attribution import create_attribution

COLUMNS = (
    "layer",
    "classes",
    "method",
    "clock_seconds",
    "processor_seconds",
    "maps_per_second",
    "times_ours_on_the_clock",
    "times_ours_on_the_processor",
    "threads",
    "load",
    "machine",
)


def contestants(model: nn.Module, layer: str, x: Tensor, classes: int) -> dict[str, Callable[[], object]]:
    """Name → a function that makes one map per class, as each package's users would; first the forward pass alone."""
    module = model.get_submodule(layer)
    ours = create_attribution("grad_cam", model, layer)
    captum = LayerGradCam(model, module)

    def forward() -> None:
        with torch.no_grad():
            model(x)

    def with_pytorch_grad_cam() -> None:
        with pytorch_grad_cam.GradCAM(model, [module]) as cam:
            for label in range(classes):
                cam(x, [ClassifierOutputTarget(label)])

    def with_torchcam() -> None:
        with torchcam.methods.GradCAM(model, layer) as extractor:
            for label in range(classes):
                extractor(label, model(x))

    def with_torchcam_one_forward() -> None:
        with torchcam.methods.GradCAM(model, layer) as extractor:
            scores = model(x)
            for label in range(classes):
                extractor(label, scores, retain_graph=True)

    return {
        "forward pass alone": forward,
        f"pylon-zoo {version('pylon-zoo')}": lambda: ours(x),
        f"pytorch-grad-cam {version('grad-cam')}": with_pytorch_grad_cam,
        f"torch-cam {version('torchcam')}": with_torchcam,
        f"torch-cam {version('torchcam')}, one forward pass": with_torchcam_one_forward,
        f"captum {version('captum')}": lambda: [captum.attribute(x, target=label) for label in range(classes)],
    }


def measure(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each on the clock and on the processor, in rounds, after one round of warm-up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = perf_counter(), process_time()
            function()
            if turn:
                seconds[name].append((perf_counter() - start[0], process_time() - start[1]))
    return {
        name: (median(clock for clock, _ in each), median(cpu for _, cpu in each)) for name, each in seconds.items()
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet50", help="a timm architecture (default: resnet50)")
    parser.add_argument("--layers", nargs="+", default=["layer4", "layer3"])
    parser.add_argument("--classes", type=int, default=14)
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels (default: 256)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "attribution_speed.csv")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = timm.create_model(args.model, num_classes=args.classes).eval()
    x = torch.randn(1, 3, args.size, args.size)
    load = f"{os.getloadavg()[0]:.1f}"
    rows = []
    for layer in args.layers:
        seconds = measure(contestants(model, layer, x, args.classes), args.repeats)
        ours = next(value for name, value in seconds.items() if name.startswith("pylon-zoo"))
        for name, (clock, processor) in seconds.items():
            maps = "" if name == "forward pass alone" else f"{args.classes / clock:.1f}"
            ratios = [f"{clock / ours[0]:.1f}", f"{processor / ours[1]:.1f}"]
            row = (layer, args.classes, name, f"{clock:.3f}", f"{processor:.3f}", maps, *ratios, args.threads, load)
            rows.append(dict(zip(COLUMNS, (*row, describe()), strict=True)))
            print(f"{layer:<8} {name:<36} {clock:8.3f} s {processor:8.3f} s on the processor {maps:>8} maps/s", end="")
            print(f"  {ratios[0]:>6} and {ratios[1]:>6} × ours")
    print(f"{args.model}, {args.size} pixels, {args.threads} threads, load {load}, {describe()}")
    with args.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
