"""`pylon-zoo reproduce TABLE --data NAME[:DIR] --seeds 5`: fill a table, the paper's or ours; or make a release."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pylon_zoo.cli import reproduce_release
from pylon_zoo.cli.arguments import (
    add_data_options,
    add_device,
    add_quiet,
    add_settings,
    add_workers,
    non_negative_int,
    positive_int,
)

SEEDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "table", metavar="TABLE", nargs="?", help="its name, or the word release; without one the tables are listed"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME[:DIR]",
        help="where a dataset is, such as nih-cxr14:DIR; repeat it for a table that takes several",
    )
    add_data_options(parser)
    parser.add_argument(
        "--seeds", type=positive_int, metavar="N", help="runs of each recipe (default: 5 for a table, 1 for a release)"
    )
    parser.add_argument(
        "--first-seed", type=non_negative_int, default=0, metavar="N", help="the first of them (default: %(default)s)"
    )
    parser.add_argument(
        "--rows",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only rows whose name or recipe matches, such as 'PYLON*'; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="runs go to DIR/<recipe>/seed-<n>"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="the figures, a line per row and seed (default: OUT/<table>.csv)"
    )
    parser.add_argument(
        "--start",
        action="append",
        default=[],
        metavar="RECIPE=CHECKPOINT",
        help="weights that rows start from, in place of a run of RECIPE",
    )
    add_settings(parser, "every recipe")
    parser.add_argument(
        "--jobs",
        type=positive_int,
        metavar="N",
        help="runs at a time, a process each; several GPUs are shared out (default: 1)",
    )
    add_device(parser)
    add_workers(parser)
    add_quiet(parser)
    reproduce_release.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fill what is missing, then write and print the table."""
    from pylon_zoo.cli.arguments import data_options, resolve_device, shows_progress
    from pylon_zoo.errors import ConfigError
    from pylon_zoo.experiments.grid import list_grids, load_grid

    reproduce_release.check(args)
    for given in args.start:
        if "=" not in given:
            raise ConfigError(f"--start {given!r} is not of the form RECIPE=CHECKPOINT.")
    if args.table == reproduce_release.WORD:
        return reproduce_release.run(args)
    if args.table is None:
        names = list_grids()
        width = max(map(len, names))
        for name in names:
            print(f"{name:<{width}}  {load_grid(name).title}")
        return 0
    grid = load_grid(args.table)  # may be mistyped, so before all that is slow to import
    from pylon_zoo.experiments.jobs import fill_at_once
    from pylon_zoo.experiments.reproduce import Laboratory
    from pylon_zoo.experiments.results import read_rows
    from pylon_zoo.experiments.summary import markdown, summarize, write_summary

    results = args.csv or args.out / f"{grid.name}.csv"
    laboratory = Laboratory(
        grid,
        args.out,
        results,
        data=args.data,
        starts=dict(given.split("=", 1) for given in args.start),
        settings=args.settings,
        data_options=data_options(args),
        device=str(resolve_device(args.device)) if args.device else None,
        workers=args.workers,
        progress=shows_progress(args),
        say=(lambda text: None) if args.quiet else lambda text: print(text, flush=True),
    )
    jobs = args.jobs or 1
    wanted = grid.select(args.rows), range(args.first_seed, args.first_seed + (args.seeds or SEEDS))
    failures = laboratory.fill(*wanted) if jobs == 1 else fill_at_once(laboratory, *wanted, jobs)
    for failure in failures if args.quiet else ():  # otherwise it has been said when it came
        print(f"pylon-zoo: error: {failure.row}, seed {failure.seed}: {failure.error}", file=sys.stderr)
    if lines := read_rows(results):  # none where every row failed
        table = summarize(grid, lines)
        written = write_summary(table, results)
        if not args.quiet:
            print(markdown(table))
            print(f"Written: {results}, {', '.join(map(str, written))}")
    return 1 if failures else 0
