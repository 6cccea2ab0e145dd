"""`pylon-zoo explain PATHS… --model NAME --out DIR`: overlays, results and a report; of a run, its own images."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pylon_zoo.cli.arguments import (
    add_batch_size,
    add_device,
    add_method,
    add_model,
    add_placement,
    add_quiet,
    add_views,
    positive_int,
)
from pylon_zoo.cli.train import RECIPE
from pylon_zoo.errors import ConfigError

if TYPE_CHECKING:
    from pylon_zoo.explanation.batch import Source

SUMMARISED_AT_MOST = 10
"""With more images than this, the console points to the report instead of naming findings."""
OWN_IMAGES = 10
"""Validation images of a run that are explained where no others are named, evenly spaced."""
EXPLAINED = "explained"  # in a run's folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="images, folders (searched to the bottom) or patterns; without any, --checkpoint RUN explains a few of "
        "its validation images",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"folder for results.json, report.html and overlays (default without a PATH: RUN/{EXPLAINED})",
    )
    add_model(parser)
    add_method(parser)
    parser.add_argument("--labels", metavar="A,B", help="only these labels; by default all of the model's")
    parser.add_argument(
        "--top", type=positive_int, default=3, metavar="K", help="findings per image, most probable first (default: 3)"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="probability that counts as found (default: the model's own by class, 0.5 where it has none)",
    )
    parser.add_argument(
        "--scaling",
        choices=("absolute", "image"),
        default="absolute",
        help="colours from probability 0 to 1, or from each map's minimum to its maximum (default: absolute)",
    )
    parser.add_argument(
        "--format",
        dest="output_format",  # `format` is what export takes, and checked as such
        choices=("report", "dicom"),
        default="report",
        help="dicom adds a folder of DICOM objects for each DICOM file: heatmaps, regions, overlays, structured report "
        "(default: report)",
    )
    parser.add_argument("--save-heatmaps", choices=("npz",), help="keep the raw maps, one file per image")
    add_placement(parser)
    add_views(parser)
    add_device(parser)
    add_batch_size(parser, default=8)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Explain every image; 1 when one of them could not be."""
    from pylon_zoo.cli.arguments import explained_name, load_explained, shows_progress
    from pylon_zoo.cli.names import names_in
    from pylon_zoo.explanation.batch import DICOM, REPORT, explain_to_folder

    images, out = chosen_images(args)
    results = explain_to_folder(
        images=images,
        model=load_explained(args),
        out=out,
        model_name=explained_name(args) + ("" if args.views == "none" else f", views: {args.views}"),
        labels=None if args.labels is None else names_in(args.labels),
        top=args.top,
        threshold=args.threshold,
        placement=args.placement,
        views=args.views,
        scaling=args.scaling,
        batch_size=args.batch_size,
        save_heatmaps=args.save_heatmaps is not None,
        dicom=args.output_format == "dicom",
        progress=shows_progress(args),
    )
    failed = [entry["error"] for entry in results["images"] if entry["error"]]
    for error in failed:
        print(f"pylon-zoo: error: {error}", file=sys.stderr)
    if not args.quiet:
        if len(results["images"]) <= SUMMARISED_AT_MOST:
            print(summary(results), end="")
        print(f"Found means a probability of at least {said(results)}.")
        if any(entry.get("dicom") for entry in results["images"]):
            print(f"DICOM objects are in {out}/{DICOM}.")
        done = len(results["images"]) - len(failed)
        print(f"Explained {done} of {len(results['images'])} images. Open {out}/{REPORT}")
    return 1 if failed else 0


def chosen_images(args: argparse.Namespace) -> tuple[list[Source], str]:
    """What to explain, and the folder for it.

    Raises:
        ConfigError: no folder is named for images that are, or no images and no run.
        ImageError, DataError: there are none, or the run's data cannot be read any more.
    """
    from pathlib import Path

    from pylon_zoo.data.images import find_images

    if args.paths:
        if args.out is None:
            raise ConfigError("Say where the explanations go with --out DIR.")
        return [*find_images(args.paths)], args.out
    if args.checkpoint is None or not (Path(args.checkpoint) / RECIPE).is_file():
        raise ConfigError("Name images, folders or patterns; only --checkpoint RUN, the folder of a run, has its own.")
    return own_images(args.checkpoint), args.out or str(Path(args.checkpoint) / EXPLAINED)


def own_images(folder: str) -> list[Source]:
    """A few validation images of a run: paths, or names with images where they are not files."""
    from pathlib import Path

    from pylon_zoo.training.run_folder import RunFolder
    from pylon_zoo.training.train import open_split

    dataset = open_split(RunFolder(folder).recipe(), "val")
    count = min(OWN_IMAGES, len(dataset))
    samples = [dataset.load(place * len(dataset) // count) for place in range(count)]
    return [sample.path if Path(sample.path).is_file() else (sample.path, sample.image) for sample in samples]


def said(results: dict[str, Any]) -> str:
    """The thresholds of the results, and where they come from."""
    from pylon_zoo.explanation.thresholds import Thresholds

    return str(Thresholds(tuple(results["thresholds"]["values"].values()), results["thresholds"]["source"]))


def summary(results: dict[str, Any]) -> str:
    """A line per image, and under it one per finding; empty for images that failed."""
    from pylon_zoo.explanation.caption import format_probability

    lines = []
    for entry in results["images"]:
        if entry["error"]:
            continue
        lines.append(f"{entry['path']} ({entry['width']}x{entry['height']})")
        width = max(len(finding["label"]) for finding in entry["findings"])
        lines += [
            f"  {finding['label']:<{width}}  {format_probability(finding['probability']):>6}"
            f"  peak at ({finding['peak']['x']}, {finding['peak']['y']})"
            for finding in entry["findings"]
        ]
    return "".join(line + "\n" for line in lines)
