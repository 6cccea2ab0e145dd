"""`pylon-zoo evaluate`: a model on a dataset, class by class."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from pylon_zoo.cli.arguments import (
    add_batch_size,
    add_data,
    add_device,
    add_method,
    add_model,
    add_quiet,
    add_workers,
    positive_int,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model(parser)
    add_method(parser)
    add_data(parser)
    parser.add_argument("--split", default="test", metavar="SPLIT", help="train, val or test (default: test)")
    parser.add_argument(
        "--size",
        type=positive_int,
        metavar="PX",
        help="height and width of the model's input; by default the model's own",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for metrics.json and metrics.csv")
    add_device(parser)
    add_batch_size(parser, default=32)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write the files."""
    from pylon_zoo.cli.arguments import explained_name, load_explained
    from pylon_zoo.data.registry import drawing_options, open_dataset
    from pylon_zoo.evaluation import console_table, evaluate, write_tables
    from pylon_zoo.files import check_folder

    check_folder(args.out)
    model = load_explained(args)
    side = args.size or max(model.pretrained_cfg["input_size"][1:])
    dataset = open_dataset(args.data, args.split, **drawing_options(args.data, side))
    evaluated = evaluate(
        model,
        dataset,
        size=args.size,
        batch_size=args.batch_size,
        workers=args.workers,
        progress=not args.quiet and sys.stderr.isatty(),
    )
    evaluation = replace(evaluated, model=explained_name(args))
    written = write_tables(evaluation, args.out)
    if not args.quiet:
        print(console_table(evaluation))
        print(f"Written: {', '.join(str(path) for path in written)}")
    return 0
