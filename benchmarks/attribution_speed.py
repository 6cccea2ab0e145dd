"""Class heatmaps per second: PYLON's, and the Grad-CAM of each class of a plain classifier on the same backbone.

    python benchmarks/attribution_speed.py              # minutes on two cores; writes docs/speed.md and the CSV
    python benchmarks/attribution_speed.py --device cuda

Random weights; all take turns in one run, after a warm-up with one class, on the same images. Each contestant makes a
map of every class of every image: PYLON by one forward, the loops as each package's users write them. What does all
work anew for each class is timed on the first few classes alone and scaled up; the column `classes_timed` says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_grad_cam
import torch
import torchcam.methods
from captum.attr import LayerGradCam
from inference_speed import BACKBONE, BATCHES, BFLOAT16, OPTIMIZED, PAPER, classifier, images, method, pylon
from machine import describe
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from tables import PAGE, Row, command_for, publish, results_file
from timing import interleave
from torch import Tensor

from pylon_zoo.attribution import create_attribution

NAME = "attribution_speed"
LAYER = "layer4"
PYTORCH_GRAD_CAM = f"pytorch-grad-cam {version('grad-cam')}, a call per class"
TORCHCAM = f"torch-cam {version('torchcam')}, a forward and a call per class"
TORCHCAM_ONE_FORWARD = f"torch-cam {version('torchcam')}, one forward, `retain_graph=True`"
CAPTUM = f"Captum {version('captum')}, a call per class"


@dataclass(frozen=True)
class Contestant:
    """Makes the maps of the first so many classes of some images."""

    run: Callable[[Tensor, int], object]
    scales: bool = False
    """Whether each class costs as much as any other, so that some of them tell the cost of all."""


def contestants(backbone: str, layer: str, classes: int, device: str = "cpu") -> dict[str, Contestant]:
    """Name → contestant: PYLON first, then what runs on the plain classifier."""
    model = classifier(backbone, torch.contiguous_format, classes, device)
    module = model.get_submodule(layer)
    ours = create_attribution("grad_cam", model, layer)
    captum = LayerGradCam(model, module)

    def with_pytorch_grad_cam(x: Tensor, count: int) -> None:
        with pytorch_grad_cam.GradCAM(model, [module]) as cam:
            for label in range(count):
                cam(x, [ClassifierOutputTarget(label)] * len(x))

    def with_torchcam(x: Tensor, count: int) -> None:
        with torchcam.methods.GradCAM(model, layer) as extractor:
            for label in range(count):
                extractor(label, model(x))

    def with_torchcam_one_forward(x: Tensor, count: int) -> None:
        with torchcam.methods.GradCAM(model, layer) as extractor:
            scores = model(x)
            for label in range(count):
                extractor(label, scores, retain_graph=True)

    def with_captum(x: Tensor, count: int) -> None:
        for label in range(count):
            captum.attribute(x, target=label)

    pylons = {
        PAPER: method(backbone, "pylon", classes, device),
        OPTIMIZED: pylon(backbone, classes, device),
        BFLOAT16: pylon(backbone, classes, device, dtype=torch.bfloat16),
    }
    return {
        **{name: Contestant(lambda x, _, run=run: no_grad(run, x)) for name, run in pylons.items()},
        'Grad-CAM, `create_attribution("grad_cam", …)`': Contestant(lambda x, _: ours(x)),
        PYTORCH_GRAD_CAM: Contestant(with_pytorch_grad_cam, scales=True),
        TORCHCAM: Contestant(with_torchcam, scales=True),
        TORCHCAM_ONE_FORWARD: Contestant(with_torchcam_one_forward),
        CAPTUM: Contestant(with_captum, scales=True),
    }


@torch.no_grad()
def no_grad(run: Callable[[Tensor], object], x: Tensor) -> object:
    """A forward that keeps nothing for a backward."""
    return run(x)


def measure(args: argparse.Namespace, layer: str, classes: int) -> list[dict[str, Any]]:
    """The rows of one layer and number of classes."""
    torch.manual_seed(0)
    x = images(args.batch, args.size, args.device)
    entrants = contestants(args.backbone, layer, classes, args.device)
    timed = {name: min(classes, args.loop_classes) if one.scales else classes for name, one in entrants.items()}
    for one in entrants.values():
        one.run(x, 1)
    runs = {name: (lambda one=one, count=timed[name]: one.run(x, count)) for name, one in entrants.items()}
    rounds = interleave(runs, args.rounds, warm_up=0, device=args.device)
    seconds = {name: median(each) * classes / timed[name] for name, each in rounds.items()}
    return [
        {
            "layer": layer,
            "classes": classes,
            "method": name,
            "classes_timed": timed[name],
            "seconds": round(took, 4),
            "maps_per_second": round(classes * args.batch / took, 1),
            "optimized_times": round(took / seconds[OPTIMIZED], 2),
            "bfloat16_times": round(took / seconds[BFLOAT16], 2),
            "backbone": args.backbone,
            "batch": args.batch,
            "size": args.size,
            "rounds": args.rounds,
            "machine": describe(args.device),
        }
        for name, took in seconds.items()
    ]


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/speed.md."""
    first = rows[0]
    counts = list(dict.fromkeys(row["classes"] for row in rows))
    found = {(row["layer"], row["method"], row["classes"]): row for row in rows}
    titles = [f"{count} class{'es' * (count > 1)}" for count in counts]
    lines = []
    for layer in dict.fromkeys(row["layer"] for row in rows):
        lines += [
            f"Maps a second, and in brackets how many times as many optimized PYLON makes; `{first['backbone']}`, "
            f"batches of {first['batch']}, {first['size']}×{first['size']} pixels, Grad-CAM at `{layer}`:\n",
            f"| | {' | '.join(titles)} |",
            "|---" * (1 + len(counts)) + "|",
        ]
        for name in dict.fromkeys(row["method"] for row in rows):
            cells = [found[layer, name, count] for count in counts]
            shown = " | ".join("{maps_per_second:.1f} ({optimized_times:.1f} ×)".format(**cell) for cell in cells)
            lines.append(f"| {name} | {shown} |")
        lines.append("")
    fewest = min(row["classes_timed"] for row in rows if row["classes"] == max(counts))
    scaled = f" Loops that start anew for each class were timed on at most {fewest} classes and scaled up."
    return "\n".join(
        [
            *lines,
            f"In one run, medians over {first['rounds']} rounds ({first['machine']})."
            + scaled * (fewest < max(counts)),
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default=BACKBONE, help=f"a timm architecture (default: {BACKBONE})")
    parser.add_argument("--layers", nargs="+", default=[LAYER], help=f"of Grad-CAM, such as layer3 (default: {LAYER})")
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 14, 80], help="(default: 1 14 80)")
    parser.add_argument(
        "--loop-classes", type=int, default=8, help="of these, time a slow loop on the first (default: 8)"
    )
    parser.add_argument("--batch", type=int, help="images at once (default: 8, on a GPU 64)")
    parser.add_argument("--size", type=int, default=256, help="side of the images in pixels (default: 256)")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default: 2)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=BATCHES, default="cpu")
    parser.add_argument("--csv", type=Path, help="(default: in benchmarks/results)")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    args.batch = args.batch or BATCHES[args.device][0]
    rows = [row for layer in args.layers for count in args.classes for row in measure(args, layer, count)]
    publish(rows, report, args.csv or results_file(NAME, args.device), args.out, command_for(NAME, args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
