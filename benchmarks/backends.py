"""What each way of running a trained model costs, and what it loses, on real tiles.

    python benchmarks/backends.py --data coco:DIR       # DeepPCB tiles; writes docs/export.md and the CSV

The bundled checkpoint of circuit-board tiles, evaluated on the validation tiles by every runtime and precision that
this processor has: AUROC, point accuracy, and the time of a batch, for which all take turns in one run. int8 is
calibrated on training tiles. Exits with 1 where AUROC or point accuracy is further than 0.005 from float32's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from machine import describe
from tables import Row, command_for, publish, results_file
from timing import interleave, ratio
from torch import Tensor

import pylon_zoo as pz
from pylon_zoo.data import open_dataset
from pylon_zoo.deployment.exporting import export
from pylon_zoo.deployment.quantization import quantize
from pylon_zoo.errors import ConfigError
from pylon_zoo.evaluation import evaluate
from pylon_zoo.preprocessing import eval_transform

NAME = "backends"
PAGE = Path(__file__).parents[1] / "docs" / "export.md"
MODEL, DATA = "pylon_tf_efficientnet_lite0.deeppcb_tiles", "coco:DIR"
EAGER = "PyTorch, eager"
MOST = 0.005
"""How far AUROC and point accuracy may be from the model's."""
# Name → backend, precision, whether the file is the int8 one.
FILES: dict[str, tuple[str, torch.dtype, bool]] = {
    "ONNX Runtime, float32": ("onnxruntime", torch.float32, False),
    "ONNX Runtime, int8": ("onnxruntime", torch.float32, True),
    "OpenVINO, float32": ("openvino", torch.float32, False),
    "OpenVINO, bfloat16": ("openvino", torch.bfloat16, False),
    "OpenVINO, int8": ("openvino", torch.float32, True),
    "OpenVINO, int8, the rest bfloat16": ("openvino", torch.bfloat16, True),
}


def calibration(data: str, model: pz.HeatmapModel, count: int) -> Iterator[Tensor]:
    """Training images, evenly spaced, one by one."""
    training = open_dataset(data, "train", transform=eval_transform(model))
    count = min(count, len(training))
    return (training[index * len(training) // count].image[None] for index in range(count))


def contestants(model_name: str, data: str, count: int, folder: Path) -> dict[str, pz.HeatmapModel]:
    """Name → model: PyTorch's ways, then the exported files'; what this processor lacks is left out."""
    model = pz.create_model(model_name).eval()
    models: dict[str, pz.HeatmapModel] = {
        EAGER: model,
        "PyTorch, optimized": pz.optimize(model),
        "PyTorch, optimized, bfloat16": pz.optimize(model, dtype=torch.bfloat16),
    }
    paths = {int8: folder / f"int8_{int8}.onnx" for int8 in (False, True)}
    export(model, paths[False], size=tuple(model.pretrained_cfg["input_size"][1:]))
    quantize(paths[False], paths[True], calibration(data, model, count))
    for name, (backend, dtype, int8) in FILES.items():
        try:
            models[name] = pz.load_exported(paths[int8], backend=backend, dtype=dtype)
        except ConfigError as error:
            print(f"{name}: {error}", file=sys.stderr)
    return models


@torch.no_grad()
def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The table, a dict a row."""
    rows = []
    with TemporaryDirectory() as scratch:
        models = contestants(args.model, args.data, args.calibrate, Path(scratch))
        data = open_dataset(args.data, args.split, transform=eval_transform(models[EAGER]))
        images = torch.stack([data[index].image for index in range(min(args.batch, len(data)))])
        turns = {name: (lambda model=model: model.forward_with_heatmap(images)) for name, model in models.items()}
        seconds = interleave(turns, args.rounds)
        for name, model in models.items():
            found = evaluate(model, data, batch_size=args.batch, controls=False)
            assert found.point_accuracy is not None  # the tiles have boxes
            rows.append(
                {
                    "way": name,
                    "auroc": round(found.auroc.macro, 4),
                    "point_accuracy": round(found.point_accuracy.macro, 4),
                    "ms_per_image": round(1000 * median(seconds[name]) / len(images), 2),
                    "time_to_eager": round(ratio(seconds[name], seconds[EAGER]), 3),
                    "model": args.model,
                    "images": found.images,
                    "calibrated_on": args.calibrate,
                    "batch": len(images),
                    "rounds": args.rounds,
                    "machine": describe(),
                }
            )
            print(name, rows[-1]["auroc"], rows[-1]["point_accuracy"], file=sys.stderr, flush=True)
    return rows


def report(rows: Sequence[Row]) -> str:
    """The Markdown between the marks in docs/export.md."""
    first = rows[0]
    lines = ["| | AUROC | point accuracy | ms an image | × eager |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            "| {way} | {auroc:.4f} | {point_accuracy:.4f} | {ms_per_image:.2f} | {time_to_eager:.2f} |".format(**row)
        )
    return "\n".join(
        [
            *lines,
            f"\n`{first['model']}`, {first['images']} validation tiles, int8 calibrated on {first['calibrated_on']}",
            f"training tiles; times of batches of {first['batch']} in one run, medians over {first['rounds']} rounds "
            f"({first['machine']}).",
        ]
    )


def losses(rows: Sequence[Row]) -> list[str]:
    """What is further from the model than `MOST`, in words."""
    return [
        f"{row['way']}: {figure} {row[figure]}, the model's {rows[0][figure]}"
        for row in rows
        for figure in ("auroc", "point_accuracy")
        if abs(row[figure] - rows[0][figure]) > MOST
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where too much is lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help=f"with boxes and the model's classes, such as {DATA}")
    parser.add_argument("--model", default=MODEL, help="(default: %(default)s)")
    parser.add_argument("--split", default="val", help="to evaluate on (default: %(default)s)")
    parser.add_argument(
        "--calibrate", type=int, default=100, metavar="N", help="training images (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="of each runtime (default: %(default)s)")
    parser.add_argument("--csv", type=Path, default=results_file(NAME))
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file whose table to replace")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    rows = measure(args)
    publish(rows, report, args.csv, args.out, f"{command_for(NAME)} --data {DATA}")
    lost = losses(rows)
    if lost:
        print("Too far from the model: " + "; ".join(lost), file=sys.stderr)
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
