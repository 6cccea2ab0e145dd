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
    add_placement,
    add_quiet,
    add_views,
    add_workers,
    non_negative_int,
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
    parser.add_argument(
        "--bootstrap",
        type=non_negative_int,
        default=1000,
        metavar="N",
        help="draws of images, or patients where known, for the 95 %% intervals; 0 for none (default: 1000)",
    )
    parser.add_argument(
        "--thresholds-from",
        metavar="SPLIT",
        help="fit a threshold per class on this split, val as a rule, and report sensitivity and specificity at it",
    )
    parser.add_argument(
        "--metrics",
        metavar="A,B",
        help="metrics besides point accuracy, see docs/evaluation.md. From the one pass over the images: hit_rate, "
        "pointing_game, energy, relevance_rank, overlap_10/25/50, regions_iou_10, regions_iobb_10, max_box, pxap, "
        "peak_iou, iou; all is these. With up to so many forward passes for each class in an image, and not among all: "
        "deletion (225), insertion (225), masked_out_area (201)",
    )
    parser.add_argument(
        "--pairs-per-class",
        type=non_negative_int,
        default=50,
        metavar="N",
        help="images of each class, drawn by lot, that deletion, insertion and masked_out_area look at; 0 for all "
        "(default: 50)",
    )
    add_placement(parser)
    add_views(parser)
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="folder for report.html, metrics.json, metrics.csv, metrics.tex and predictions.npz",
    )
    add_device(parser)
    add_batch_size(parser, default=32)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write the files."""
    from pylon_zoo.cli.arguments import data_options, explained_name, load_explained, shows_progress
    from pylon_zoo.cli.names import metric_names
    from pylon_zoo.data.registry import drawing_options, open_dataset
    from pylon_zoo.evaluation import console_table, evaluate, write_tables
    from pylon_zoo.evaluation.decisions import decide, fit_thresholds
    from pylon_zoo.evaluation.evaluate import prepared
    from pylon_zoo.evaluation.gallery import gallery
    from pylon_zoo.evaluation.predictions import write_predictions
    from pylon_zoo.evaluation.report import write_report
    from pylon_zoo.files import check_folder

    check_folder(args.out)
    model = load_explained(args)
    side = args.size or max(model.pretrained_cfg["input_size"][1:])
    drawing = {**drawing_options(args.data, side), **data_options(args)}
    splits = {split: open_dataset(args.data, split, **drawing) for split in (args.split, args.thresholds_from) if split}
    options = {
        "size": args.size,
        "batch_size": args.batch_size,
        "workers": args.workers,
        "placement": args.placement,
        "views": args.views,
        "progress": shows_progress(args),
    }
    dataset, fitting, fitted = splits[args.split], None, None
    if args.thresholds_from and args.thresholds_from != args.split:
        fitting = evaluate(model, splits[args.thresholds_from], controls=False, **options)
        fitted = dict(zip(fitting.classes, fit_thresholds(fitting).thresholds.tolist(), strict=True))
    evaluation = evaluate(
        model,
        dataset,
        bootstrap=args.bootstrap,
        metrics=metric_names(args.metrics),
        thresholds=fitted,
        pairs_per_class=args.pairs_per_class,
        say=None if args.quiet else lambda text: print(text, file=sys.stderr),
        **options,
    )
    evaluation = replace(evaluation, model=explained_name(args))
    if args.thresholds_from:
        evaluation = decide(evaluation, fitting or evaluation)
        if fitting is None:
            print(f"The thresholds are fitted on {args.split} itself and flatter the model there.", file=sys.stderr)
    written = [*write_tables(evaluation, args.out), write_predictions(evaluation, args.out)]
    pictures = gallery(model, prepared(model, dataset, args.size), evaluation)
    written.insert(0, write_report(evaluation, pictures, args.out))
    if not args.quiet:
        print(console_table(evaluation))
        print(f"Written: {', '.join(str(path) for path in written)}")
    return 0
