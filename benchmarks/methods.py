"""What each method costs: parameters, size of its heatmap, time of a forward as a ratio to the plain classifier.

    python benchmarks/methods.py --out docs/methods.md      # a few minutes on two cores

Every round times each method once, so that what else the machine does falls on all of them; medians over rounds. The
heatmaps of the attribution methods are all classes' at once, the forward included.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
from torch import Tensor, nn

import pylon_zoo as pz
from pylon_zoo.attribution import create_attribution

BACKBONE, CLASSES, SIZE = "resnet50", 14, 256
PLAIN = "plain classifier"

# What the row is called, the method, its options.
MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("CAM, max pooling (the paper's Baseline)", "cam", {}),
    ("CAM, average pooling", "cam", {"pooling": "avg"}),
    ("**PYLON**", "pylon", {}),
    ("PYLON, one-layer upsampling", "pylon", {"up_layers": 1}),
    ("Li 2018", "li2018", {}),
    ("FPN", "fpn", {}),
    ("FPN, group norm", "fpn", {"norm": "group"}),
    ("PAN", "pan", {}),
    ("PAN without GAP", "pan", {"gap": False}),
    ("DeepLabV3+", "deeplabv3plus", {}),
    ("DeepLabV3+ without GAP", "deeplabv3plus", {"gap": False}),
    ("U-Net", "unet", {}),
)
ATTRIBUTIONS = ("grad_cam", "grad_cam++", "xgrad_cam", "hires_cam", "layer_cam")


@dataclass
class Row:
    """One line of the table; `run` gives the heatmaps, or the logits of the plain classifier."""

    name: str
    how: str
    parameters: int
    run: Callable[[Tensor], Tensor]
    heatmap: str = ""
    seconds: list[float] | None = None


def rows() -> list[Row]:
    """The plain classifier first."""
    torch.manual_seed(0)
    plain = timm.create_model(BACKBONE, num_classes=CLASSES).eval()
    table = [Row(PLAIN, f'timm.create_model("{BACKBONE}")', count(plain), plain)]
    for name, method, options in MODELS:
        model = pz.create_model(f"{method}_{BACKBONE}", num_classes=CLASSES, **options).eval()
        given = "".join(f", {key}={value!r}" for key, value in options.items())
        call = f'create_model("{method}_{BACKBONE}"{given})'
        table.append(Row(name, call, count(model), model.forward_heatmap))
    for name in ATTRIBUTIONS:
        call = f'create_attribution("{name}", model)'
        table.append(Row(f"{name} on the plain classifier", call, count(plain), create_attribution(name, plain)))
    return table


def count(model: nn.Module) -> int:
    """Parameters of a model."""
    return sum(p.numel() for p in model.parameters())


def measure(table: Sequence[Row], rounds: int, batch: int) -> None:
    """Fill in the heatmaps' sizes and the seconds per image of every round."""
    images = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for row in table:
        with torch.no_grad():
            out = row.run(images)  # warm-up
        row.heatmap = f"{out.shape[2]}×{out.shape[3]}" if out.ndim == 4 else "none"
        row.seconds = []
    for index in range(rounds):
        for row in table:
            start = time.perf_counter()
            with torch.no_grad():
                row.run(images)
            row.seconds.append((time.perf_counter() - start) / batch)
        print(f"round {index + 1} of {rounds}", file=sys.stderr, flush=True)


def machine() -> str:
    """The processor and the versions that matter."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return f"{cpu}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}, timm {timm.__version__}"


def records(table: Sequence[Row]) -> list[dict[str, Any]]:
    """The table's numbers, a dict a row."""
    base = median(table[0].seconds)
    return [
        {
            "method": row.name.replace("*", ""),
            "call": row.how,
            "parameters": row.parameters,
            f"heatmap_at_{SIZE}": row.heatmap,
            "ms": round(1000 * median(row.seconds), 1),
            "ratio": round(median(row.seconds) / base, 2),
        }
        for row in table
    ]


def report(table: Sequence[Row], batch: int, rounds: int) -> str:
    """The Markdown of docs/methods.md."""
    lines = [
        "| method | how to get it | parameters | heatmap | time of a forward, × plain classifier |",
        "|---|---|---|---|---|",
    ]
    for row, record in zip(table, records(table), strict=True):
        lines.append(
            f"| {row.name} | `{row.how}` | {row.parameters / 1e6:.2f} M | {row.heatmap} | {record['ratio']:.2f} |"
        )
    return TEMPLATE.format(
        backbone=BACKBONE,
        classes=CLASSES,
        size=SIZE,
        table="\n".join(lines),
        ms=records(table)[0]["ms"],
        machine=machine(),
        batch=batch,
        rounds=rounds,
    )


TEMPLATE = """# Methods

Every comparator of the paper, and the attribution methods people use today, behind one contract: `create_model` for
those that are networks, `pylon_zoo.attribution` for those that explain any classifier. All of them give heatmaps
(N, K, h, w) for all K classes; metrics, reports and `pylon-zoo explain` and `evaluate` work on all of them.

`{backbone}`, {classes} classes, {size}×{size} pixels, random weights:

{table}

Measured by `python benchmarks/methods.py --out docs/methods.md` in one run: batches of {batch}, medians over {rounds}
rounds, each of which times every method once. The plain classifier takes {ms} ms an image here ({machine}). Plain
models, not optimized for inference. The attribution rows include the forward.

## Models

| name | after | options of its own |
|---|---|---|
| `pylon_…` | Preechakul et al. 2022 | see `pylon_zoo.create_pylon` |
| `cam_…` | Oquab et al. 2015, Zhou et al. 2016 | `timm_classifier`: timm's own classifier as the head |
| `li2018_…` | Li et al. 2018 | `grid`, `decoder_channels`, `norm` |
| `unet_…` | Ronneberger et al. 2015 | `decoder_channels` |
| `fpn_…` | Kirillov et al. 2019 | `norm` (`batch` or `group`), `norm_groups`, `pyramid_channels`, `decoder_channels`, `dropout` |
| `pan_…` | Li, Xiong et al. 2018 | `gap`, `decoder_channels` |
| `deeplabv3plus_…` | Chen et al. 2018 | `gap`, `decoder_channels`, `dropout` |

All take `pooling` with `pooling_kwargs` (`max`, `avg`, `topk`, `lse`, `lse_lba`, `mil`), `activation`, `img_size`,
`encoder_pretrained` and `encoder_kwargs`. `cam`, `li2018` and `pylon` run on every timm architecture; the others, whose
decoders are those of segmentation-models-pytorch, need maps of stride 4, 8, 16 and 32, and DeepLabV3+ an encoder that timm
can dilate: `pylon_zoo.list_models("fpn_*")` lists what can be built, and asking for anything else says what is missing.
At sizes smp refuses, images are padded and the map is cropped back. With 256 pixels or less on a side, PAN works at 256.

## Heatmaps of a timm network without training

A network that averages its last map and classifies the average has class activation maps in it already (Zhou et al. 2016):

    create_model("cam_resnet50", num_classes=1000, encoder_pretrained=True, pooling="avg", activation="softmax")

has timm's own classifier as its head, gives timm's own logits, and heatmaps whose average they are. So do DenseNet,
EfficientNet, RegNet, ConvNeXt, Swin and most others: each is tried on an image when it is built, and refused if its logits
are not the average of its heatmap. Not among them are networks with layers between average and classifier (MobileNetV3,
GhostNet, VGG, …) and those that classify tokens (ViT): for these use an attribution method.

## Attribution methods

    from pylon_zoo.attribution import create_attribution
    maps = create_attribution("grad_cam", model)(images)      # (N, K, h, w) for all K classes, from one forward

`model` is any classifier: ours, timm's, torchvision's. The forward runs once; for each class only what lies above the
target layer runs backward. `relu=False` is the paper's way, `relu=True` that of other packages.
`pylon-zoo explain … --method grad_cam` and `evaluate … --method grad_cam` put one in front of a model's own heatmap.

A max-pooled model has a gradient at one cell only. For such a model Grad-CAM at the last map is the model's own heatmap
without its bias, up to a factor (the equal columns of the paper's Tables 1 to 4), HiResCAM and LayerCAM shrink to one
cell, and Grad-CAM++ and XGrad-CAM are handicapped: a fair comparison of attribution methods needs an average-pooled
model, `create_model("cam_…", pooling="avg")`, as well.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=4, help="images a forward (default: 4)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--csv", type=Path, help="the numbers, as CSV")
    args = parser.parse_args(argv)
    table = rows()
    measure(table, args.rounds, args.batch)
    for record in records(table):
        print(f"{record['ratio']:6.2f}  {record['ms']:7.1f} ms  {record[f'heatmap_at_{SIZE}']:>8}  {record['method']}")
    if args.out:
        args.out.write_text(report(table, args.batch, args.rounds), encoding="utf-8")
    if args.csv:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(records(table)[0]))
            writer.writeheader()
            writer.writerows(records(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
