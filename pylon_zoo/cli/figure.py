"""`pylon-zoo figure KIND … --out FIGURE`: a figure for a paper, and beside it the recipe to draw it again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pylon_zoo.cli.arguments import add_data_options, add_device, add_placement, add_quiet, add_views, positive_int
from pylon_zoo.cli.names import check_weights, names_in
from pylon_zoo.errors import ConfigError
from pylon_zoo.figures.kinds import MAPS, SUMMARIES
from pylon_zoo.figures.style import WIDTHS, checked_width

if TYPE_CHECKING:
    from pylon_zoo.figures.recipe import CurvesRecipe, MapsRecipe, RowSection

OWN = "own"
ROWS = 4
FOLDERS = {"learning": "the folder of a run"}
"""Kind of figure → what it is drawn from, where that is not a folder of `pylon-zoo evaluate`."""


def inches(text: str) -> float:
    """A width for argparse: a key of `WIDTHS`, or a number of inches."""
    try:
        return checked_width(WIDTHS[text] if text in WIDTHS else float(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


inches.__name__ = "width (column, page, or inches)"  # argparse says "invalid … value"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every kind of figure."""
    parser.add_argument("--recipe", metavar="FILE", help="draw a figure again from the recipe saved beside it")
    add_out(parser, "; by default beside the recipe", required=False)
    add_device(parser)
    add_quiet(parser)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND")
    for kind, summary in SUMMARIES.items():
        one = kinds.add_parser(kind, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        (add_maps if kind == MAPS else add_curves)(one, kind)
        one.add_argument(
            "--width",
            type=inches,
            default=WIDTHS["column"],
            metavar="column|page|INCHES",
            help=f"of the figure: {WIDTHS['column']} (the default), {WIDTHS['page']}, or any",
        )
        one.add_argument(
            "--dpi",
            type=positive_int,
            default=300,
            metavar="N",
            help="pixels per inch of PNG and images (default: 300)",
        )
        add_out(one)
        add_device(one)
        add_quiet(one)


def add_out(parser: argparse.ArgumentParser, otherwise: str = "", *, required: bool = True) -> None:
    """`--out`."""
    parser.add_argument(
        "--out",
        required=required,
        metavar="FIGURE",
        help=f"path that ends in .pdf, .svg or .png, or in none of these for all three{otherwise}",
    )


def add_maps(parser: argparse.ArgumentParser, kind: str) -> None:
    """What rows and columns of maps need."""
    rows = parser.add_argument_group("rows")
    rows.add_argument("paths", nargs="*", metavar="PATH", help="images, one for each row")
    rows.add_argument("--data", metavar="NAME[:DIR]", help="dataset that rows are taken from, with its boxes or masks")
    rows.add_argument(
        "--split", default="test", metavar="SPLIT", help="of the data: train, val or test (default: test)"
    )
    add_data_options(parser)
    rows.add_argument("--images", metavar="I,J", help="which images of the split, counted from 0")
    rows.add_argument(
        "--labels",
        metavar="A,B",
        help="the class of each row, or one for all; by default the boxed one, or the most probable. Without "
        "--images, a row for each",
    )
    rows.add_argument(
        "--rows",
        type=positive_int,
        default=ROWS,
        metavar="N",
        help="images of the data where none are named (4)",
    )
    rows.add_argument("--row-names", metavar="A,B", help="what stands beside the rows; by default their classes")
    columns = parser.add_argument_group("columns, each model with each method")
    for option, metavar, what in (
        ("--model", "NAME", "a name with its weights' tag; may be repeated"),
        ("--checkpoint", "DIR", "a checkpoint or run folder; may be repeated"),
    ):
        columns.add_argument(
            option,
            dest="columns",
            action="append",
            type=partial(_named_by, option.strip("-")),
            default=[],
            metavar=metavar,
            help=what,
        )
    columns.add_argument(
        "--method",
        dest="methods",
        action="append",
        metavar="NAME",
        help=f"{OWN} for the model's own heatmaps (the default), or grad_cam, layer_cam, …; may be repeated",
    )
    columns.add_argument("--names", metavar="A,B", help="what stands above the columns; by default the methods' names")
    columns.add_argument("--no-image", action="store_true", help="leave out the column with the image alone")
    parser.add_argument(
        "--scaling",
        choices=("absolute", "image"),
        default="absolute",
        help="colours from probability 0 to 1, or from each map's minimum to its maximum (default: absolute)",
    )
    add_placement(parser)
    add_views(parser)


def _named_by(option: str, text: str) -> tuple[str, str]:
    """How a column's model is named, and the name: both options fill one list, in the order they are given."""
    return option, text


def add_curves(parser: argparse.ArgumentParser, kind: str) -> None:
    """What curves need."""
    what = FOLDERS.get(kind, "a folder that `pylon-zoo evaluate --out` wrote")
    parser.add_argument("folders", nargs="+", metavar="DIR", help=f"{what}; several to compare them")
    parser.add_argument("--names", metavar="A,B", help="of the folders; by default their models' or their own")
    if kind != "learning":
        parser.add_argument("--classes", metavar="A,B", help="only these; by default all")


def run(args: argparse.Namespace) -> int:
    """Draw, write, and say what was written."""
    if args.recipe and args.kind:
        raise ConfigError(f"--recipe draws a figure again as it was; leave out {args.kind}, or the recipe.")
    if args.kind == MAPS:
        check_maps(args)
    elif args.kind is None and not args.recipe:
        raise ConfigError(f"Say which figure: {', '.join(SUMMARIES)}, or --recipe FILE. See: pylon-zoo figure --help")
    from pylon_zoo.cli.arguments import resolve_device
    from pylon_zoo.figures.drawing import redraw, write
    from pylon_zoo.figures.saving import formats_of

    if args.recipe:
        written = redraw(args.recipe, args.out, device=resolve_device(args.device))
    else:
        out, formats = formats_of(args.out)
        common = {"kind": args.kind, "width": args.width, "dpi": args.dpi, "formats": formats}
        recipe = maps_recipe(args, common) if args.kind == MAPS else curves_recipe(args, common)
        written = write(recipe, out, device=resolve_device(args.device))
    if not args.quiet:
        print(f"Written: {', '.join(str(path) for path in written)}")
    return 0


def check_maps(args: argparse.Namespace) -> None:
    """Refuse what names no images, no model, or names them twice.

    Raises:
        ConfigError, UnknownNameError: it does.
    """
    if bool(args.paths) == bool(args.data):
        raise ConfigError("Name images, or with --data the dataset that they are taken from; not both.")
    if args.images and not args.data:
        raise ConfigError("--images counts the images of a dataset: name it with --data.")
    if not args.columns:
        raise ConfigError("Name at least one --model or --checkpoint: each is a column, for each --method.")
    for option, name in args.columns:
        if option == "model":
            check_weights(name)


def maps_recipe(args: argparse.Namespace, common: dict[str, Any]) -> MapsRecipe:
    """The recipe that the options of a figure of maps mean.

    Raises:
        ConfigError, UnknownNameError, DataError: as for `pylon_zoo.figures.gather`.
    """
    from pylon_zoo.attribution.registry import attribution_key
    from pylon_zoo.figures.recipe import ColumnSection, MapsRecipe

    methods = [method if method == OWN else attribution_key(method) for method in args.methods or [OWN]]
    columns = [ColumnSection(**{option: name}, method=method) for option, name in args.columns for method in methods]
    data, rows = rows_of(args)
    return MapsRecipe(
        **common,
        scaling=args.scaling,
        placement=args.placement,
        views=args.views,
        bare=not args.no_image,
        data=data,
        rows=named(rows, args.row_names, "--row-names"),
        columns=named(columns, args.names, "--names"),
    )


def rows_of(args: argparse.Namespace) -> tuple[Any, list[RowSection]]:
    """The data and the rows that options mean."""
    from pylon_zoo.cli.arguments import data_options
    from pylon_zoo.data.registry import drawing_options
    from pylon_zoo.explanation.overlay import MIN_SIDE
    from pylon_zoo.figures.gather import choose_rows, open_data
    from pylon_zoo.figures.recipe import DataSection, RowSection

    labels = None if args.labels is None else names_in(args.labels)
    if not args.data:
        data, rows = None, [RowSection(image=path) for path in args.paths]
    else:
        data = DataSection(args.data, args.split, {**drawing_options(args.data, MIN_SIDE), **data_options(args)})
        if args.images is None:
            return data, list(choose_rows(open_data(data), labels, args.rows))
        rows = [RowSection(index=index) for index in whole_numbers(args.images)]
    if labels is None:
        return data, rows
    if len(labels) not in (1, len(rows)):
        raise ConfigError(f"--labels names {len(labels)} classes for {len(rows)} rows: give as many, or one for all.")
    labels = labels * len(rows) if len(labels) == 1 else labels
    return data, [replace(row, label=label) for row, label in zip(rows, labels, strict=True)]


def whole_numbers(text: str) -> list[int]:
    """The numbers of `--images`.

    Raises:
        ConfigError: it is no list of whole numbers.
    """
    try:
        found = [int(one) for one in names_in(text)]
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise ConfigError(f"--images {text} is not a list of whole numbers, such as 3,17,40.")
    return found


def curves_recipe(args: argparse.Namespace, common: dict[str, Any]) -> CurvesRecipe:
    """The recipe that the options of a figure of curves mean.

    Raises:
        ConfigError: more or fewer names than folders.
    """
    from pylon_zoo.figures.recipe import CurvesRecipe, SourceSection

    sources = named([SourceSection(folder) for folder in args.folders], args.names, "--names")
    classes = names_in(getattr(args, "classes", None) or "")
    return CurvesRecipe(**common, classes=tuple(classes) or None, sources=sources)


def named(sections: Sequence[Any], names: str | None, option: str) -> tuple[Any, ...]:
    """Sections with the names of an option, if it was given.

    Raises:
        ConfigError: they are not as many.
    """
    if names is None:
        return tuple(sections)
    given = [name.strip() for name in names.split(",")]
    if len(given) != len(sections):
        raise ConfigError(f"{option} has {len(given)} names for {len(sections)}: give as many, with commas between.")
    return tuple(replace(one, name=name) for one, name in zip(sections, given, strict=True))
