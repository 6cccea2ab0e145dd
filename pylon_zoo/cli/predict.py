"""`pylon-zoo predict --input … --out FILE.parquet`: probabilities, peaks and boxes of many images."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import (
    add_batch_size,
    add_device,
    add_model,
    add_placement,
    add_quiet,
    add_views,
    add_workers,
    positive_int,
)

if TYPE_CHECKING:
    from pylon_zoo.deployment.prediction.predict import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model(parser)
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        metavar="PATH",
        help="images, folders, patterns, lists (.csv, .txt), WebDataset shards (.tar), tables of images (.parquet); or "
        "addresses of such (s3://…, gs://…, hf://…)",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="the Parquet file, or its address; the same command continues it"
    )
    parser.add_argument("--labels", metavar="A,B", help="only these labels; by default all of the model's")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="probability that counts as found (default: the model's own by class, 0.5 where it has none)",
    )
    parser.add_argument(
        "--native-size",
        action="store_true",
        help="every image at its own height and width instead of the model's; batches are of equal size",
    )
    parser.add_argument("--image-column", metavar="NAME", help="where Parquet inputs keep the images' bytes")
    parser.add_argument("--id-column", metavar="NAME", help="where Parquet inputs keep the images' names")
    parser.add_argument("--heatmaps", choices=("png", "npz"), help="write heatmaps: 8-bit PNG, or float16 npz")
    parser.add_argument("--heatmaps-dir", metavar="DIR", help="folder for the heatmaps")
    parser.add_argument(
        "--heatmaps-of",
        choices=("found", "all"),
        default="found",
        help="classes that reach the threshold somewhere, or all (default: found)",
    )
    parser.add_argument("--dicom-dir", metavar="DIR", help="folder for DICOM objects of images that are DICOM files")
    parser.add_argument(
        "--dicom-kinds",
        default="map,segmentation,report",
        metavar="A,B",
        help="which DICOM objects: maps of classes that reach the threshold, their regions, the report (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--rows-per-part",
        type=positive_int,
        default=1000,
        metavar="N",
        help="images after which progress is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--optimize",
        nargs="?",
        const="float32",
        choices=("float32", "bfloat16"),
        help="run a faster copy of the model in this precision (float32 where none is named); see docs/speed.md",
    )
    parser.add_argument("--overwrite", action="store_true", help="start anew, whatever there is")
    add_placement(parser)
    add_views(parser)
    add_device(parser)
    add_batch_size(parser, default=32)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Predict; 1 when no image could be."""
    from pylon_zoo.cli.arguments import load_model, model_name, shows_progress
    from pylon_zoo.cli.names import names_in
    from pylon_zoo.deployment.prediction.parquet_source import Columns
    from pylon_zoo.deployment.prediction.predict import predict_to_parquet
    from pylon_zoo.deployment.prediction.processes import own_device

    args.device = args.device or own_device()
    outcome = predict_to_parquet(
        load_model(args),
        args.input,
        args.out,
        model_name=model_name(args),
        labels=None if args.labels is None else names_in(args.labels),
        threshold=args.threshold,
        placement=args.placement,
        views=args.views,
        native_size=args.native_size,
        batch_size=args.batch_size,
        workers=args.workers,
        rows_per_part=args.rows_per_part,
        heatmaps=args.heatmaps,
        heatmaps_dir=args.heatmaps_dir,
        heatmaps_of=args.heatmaps_of,
        dicom_dir=args.dicom_dir,
        dicom_kinds=names_in(args.dicom_kinds),
        columns=Columns(args.image_column, args.id_column),
        optimized=args.optimize,
        overwrite=args.overwrite,
        progress=shows_progress(args),
    )
    return 0 if outcome is None else _report(outcome, args.out, args.quiet)


def _report(outcome: Outcome, out: str, quiet: bool) -> int:
    """Say what came of it, and the exit code."""
    if outcome.failed:
        level = "error" if outcome.failed == outcome.images else "warning"
        print(
            f"pylon-zoo: {level}: {outcome.failed} of {outcome.images} images could not be predicted; the column "
            f"'error' of {out} says why.",
            file=sys.stderr,
        )
    if not quiet:
        before = f", {outcome.found_done} of them by an earlier run" if outcome.found_done else ""
        print(f"Predicted {outcome.images - outcome.failed} of {outcome.images} images{before}. Written: {out}")
    return int(outcome.failed == outcome.images)
