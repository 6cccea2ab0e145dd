"""`pylon-zoo explain PATHS… --model NAME --out DIR`: overlays, results and a report for images on disk."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pylon_zoo.cli.arguments import (
    add_batch_size,
    add_device,
    add_method,
    add_model,
    add_placement,
    add_quiet,
    positive_int,
)

SUMMARISED_AT_MOST = 10
"""With more images than this, the console points to the report instead of naming findings."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="images, folders (searched to the bottom) or patterns")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for results.json, report.html and overlays")
    add_model(parser)
    add_method(parser)
    parser.add_argument("--labels", metavar="A,B", help="only these labels; by default all of the model's")
    parser.add_argument(
        "--top", type=positive_int, default=3, metavar="K", help="findings per image, most probable first (default: 3)"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.5, metavar="P", help="probability that counts as found (default: 0.5)"
    )
    parser.add_argument(
        "--scaling",
        choices=("absolute", "image"),
        default="absolute",
        help="colours from probability 0 to 1, or from each map's minimum to its maximum (default: absolute)",
    )
    parser.add_argument("--save-heatmaps", choices=("npz",), help="keep the raw maps, one file per image")
    add_placement(parser)
    add_device(parser)
    add_batch_size(parser, default=8)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Explain every image; 1 when one of them could not be."""
    from pylon_zoo.cli.arguments import explained_name, load_explained, names_in, shows_progress
    from pylon_zoo.data.images import find_images
    from pylon_zoo.explanation.batch import REPORT, explain_to_folder

    results = explain_to_folder(
        images=find_images(args.paths),
        model=load_explained(args),
        out=args.out,
        model_name=explained_name(args),
        labels=None if args.labels is None else names_in(args.labels),
        top=args.top,
        threshold=args.threshold,
        placement=args.placement,
        scaling=args.scaling,
        batch_size=args.batch_size,
        save_heatmaps=args.save_heatmaps is not None,
        progress=shows_progress(args),
    )
    failed = [entry["error"] for entry in results["images"] if entry["error"]]
    for error in failed:
        print(f"pylon-zoo: error: {error}", file=sys.stderr)
    if not args.quiet:
        if len(results["images"]) <= SUMMARISED_AT_MOST:
            print(summary(results), end="")
        done = len(results["images"]) - len(failed)
        print(f"Explained {done} of {len(results['images'])} images. Open {args.out}/{REPORT}")
    return 1 if failed else 0


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
