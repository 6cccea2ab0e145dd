"""`pylon-zoo data prepare NAME:DIR --out DIR`: a copy of a dataset with smaller images."""

from __future__ import annotations

import argparse
import sys

from pylon_zoo.cli.arguments import add_data_options, add_quiet, add_workers, data_options, positive_int, shows_progress

DEFAULT_SIZE = 320


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the action."""
    parser.add_argument("data", metavar="NAME:DIR", help="dataset and the folder of its release")
    add_data_options(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the copy; --data NAME:DIR then takes it")
    parser.add_argument(
        "--size",
        type=positive_int,
        metavar="PX",
        help="shorter side of the copies, never enlarged: 320 (the default) to train at 256 pixels, 576 at 512",
    )
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="depth of grey copies (default: 8)")
    parser.add_argument(
        "--compression",
        type=int,
        choices=range(10),
        metavar="0-9",
        default=6,
        help="of PNG copies: 0 stores them as they are, which is read soonest and takes most room (default: 6)",
    )
    parser.add_argument(
        "--dicom",
        choices=("lut", "window", "none", "paper"),
        default="lut",
        help="how DICOM becomes grey: by VOI LUT, else window (default); by window only; by the whole range; or as in "
        "the paper (stretched, equalised, longer side 1024, shrunk further only by --size)",
    )
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare; 1 if an image is broken."""
    from pylon_zoo.data.prepare import prepare
    from pylon_zoo.data.prepared import PrepareOptions
    from pylon_zoo.data.registry import parse_data_spec

    name, _ = parse_data_spec(args.data)
    size = args.size or (None if args.dicom == "paper" else DEFAULT_SIZE)
    options = PrepareOptions(name, size, args.bits, args.dicom, args.compression)
    done = prepare(
        args.data,
        args.out,
        options,
        data_options=data_options(args),
        workers=args.workers,
        progress=shows_progress(args),
    )
    for changed in done.changed:
        print(f"'{changed}' was not what had been written there; written again", file=sys.stderr)
    for reason in done.broken.values():
        print(f"no copy: {reason}", file=sys.stderr)
    if not args.quiet:
        print(f"{done.written} written, {done.kept} kept, {len(done.broken)} broken")
        print(f"Use it: --data {args.data.partition(':')[0]}:{args.out}")
    return int(bool(done.broken))
