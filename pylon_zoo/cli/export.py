"""`pylon-zoo export --model NAME --format onnx --out FILE`: a model as a file that runs without this library."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_model, add_quiet, positive_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from pylon_zoo.models.heatmap_model import HeatmapModel

PHANTOM = "phantom"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model(parser)
    parser.add_argument("--format", default="onnx", metavar="NAME", help="onnx, torch_export or torchscript")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="the file; ends in .onnx, .pt2 or .pt as the format wants it"
    )
    parser.add_argument("--opset", type=positive_int, metavar="N", help="of ONNX; by default the exporter's own")
    parser.add_argument(
        "--size",
        type=positive_int,
        nargs=2,
        metavar=("H", "W"),
        help="the only input size, for networks that cannot be exported for every size",
    )
    group = parser.add_argument_group("int8")
    group.add_argument("--int8", metavar="FILE", help="also write an int8 copy of the ONNX file, and measure its loss")
    group.add_argument(
        "--calibrate",
        default=f"{PHANTOM}:100",
        metavar="phantom[:N]|DIR",
        help="images that give the ranges: N phantoms or a folder, searched to the bottom (default: %(default)s)",
    )
    group.add_argument(
        "--measure",
        type=positive_int,
        default=300,
        metavar="N",
        help="phantoms to measure AUROC and point accuracy on, before and after (default: %(default)s)",
    )
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Export, compare, and where asked quantize and measure."""
    from pylon_zoo.cli.arguments import load_model
    from pylon_zoo.deployment.exporting import check_path, export
    from pylon_zoo.errors import ConfigError

    if args.int8:
        if args.format != "onnx":
            raise ConfigError(f"--int8 is a copy of an ONNX file; --format {args.format} has none. Leave one out.")
        check_path(Path(args.int8), ".onnx", "onnx")
        if Path(args.int8).absolute() == Path(args.out).absolute():
            raise ConfigError(f"--int8 and --out are both {args.out}; give two names.")
        calibration_images(args.calibrate)  # a folder that is not there is said before the minute an export takes
    args.device = "cpu"
    model = load_model(args)
    done = export(model, args.out, args.format, size=tuple(args.size) if args.size else None, opset=args.opset)
    if not args.quiet:
        sizes = ", ".join(dict.fromkeys(f"{height}×{width}" for _, (height, width) in done.shapes))
        batches = " and ".join(dict.fromkeys(str(batch) for batch, _ in done.shapes))
        print(f"{done.path}: differs from the model by {done.difference:.1e} at most, at {sizes}, batch {batches}.")
    if args.int8:
        quantize_and_measure(args)
    return 0


def quantize_and_measure(args: argparse.Namespace) -> None:
    """The int8 copy of the file just written, and what it costs."""
    from pylon_zoo.deployment.onnx_model import OnnxModel
    from pylon_zoo.deployment.quantization import quantize

    model = OnnxModel(args.out)
    quantize(args.out, args.int8, calibration_batches(model, args.calibrate))
    if not args.quiet:
        megabytes = " to ".join(f"{Path(path).stat().st_size / 1e6:.1f}" for path in (args.out, args.int8))
        print(f"{args.int8}: int8, from {megabytes} MB.")
        print(measured(model, OnnxModel(args.int8), args.measure))


def calibration_images(spec: str) -> int | list[Path]:
    """How many phantoms, or which files.

    Raises:
        ConfigError: no whole number of phantoms.
        DataError: no images there.
    """
    from pylon_zoo.data.images import find_images
    from pylon_zoo.errors import ConfigError, DataError

    name, _, count = spec.partition(":")
    if name != PHANTOM:
        if not Path(spec).exists():
            raise DataError(f"--calibrate {spec}: there is no such folder. Give one with images, or phantom:100.")
        return find_images([spec])
    if not (count or "100").isdecimal() or int(count or 100) < 1:
        raise ConfigError(f"--calibrate {spec}: give a whole number of phantoms from 1 up, or a folder.")
    return int(count or 100)


def calibration_batches(model: HeatmapModel, spec: str) -> Iterator[Tensor]:
    """The images as the model takes them, one by one: phantoms of the training split, or those of a folder."""
    from pylon_zoo.data.phantom import PhantomCxr
    from pylon_zoo.preprocessing import eval_transform, preprocess

    images = calibration_images(spec)
    if isinstance(images, int):
        side = max(model.pretrained_cfg["input_size"][1:])
        phantoms = PhantomCxr("train", size=side, count=images, transform=eval_transform(model))
        return (phantoms[index].image[None] for index in range(images))
    read = preprocess(model)
    return (read(path)[None] for path in images)


def measured(before: HeatmapModel, after: HeatmapModel, count: int) -> str:
    """A sentence on both files' AUROC and point accuracy (macro averages) on phantoms of the test split."""
    from pylon_zoo.data.label_names import match_labels
    from pylon_zoo.data.phantom import PhantomCxr
    from pylon_zoo.errors import ConfigError
    from pylon_zoo.evaluation import evaluate

    try:
        match_labels(before.label_names, PhantomCxr.classes)
    except ConfigError:
        return "Its loss was not measured: the model has no class that phantoms have. Use OnnxModel with evaluate."
    side = max(before.pretrained_cfg["input_size"][1:])
    results = [
        evaluate(model, PhantomCxr("test", size=side, count=count), controls=False, progress=sys.stderr.isatty())
        for model in (before, after)
    ]
    auroc = " → ".join(f"{result.auroc.macro:.4f}" for result in results)
    points = " → ".join(f"{found.point_accuracy.macro:.4f}" for found in results if found.point_accuracy)
    return f"On {count} phantoms, float to int8: AUROC {auroc}, point accuracy {points}."
