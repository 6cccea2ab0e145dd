"""`pylon-zoo train RECIPE --out RUN`: train a model by a recipe."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import add_device, add_quiet, add_workers, non_negative_int, positive_int

if TYPE_CHECKING:
    from pylon_zoo.training.loop import Epoch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("recipe", metavar="RECIPE", help="a name of `pylon-zoo recipes list`, or a .toml file")
    parser.add_argument("--out", required=True, metavar="RUN", help="folder for the run; made if it is not there")
    parser.add_argument("--data", metavar="NAME[:DIR]", help="dataset in place of the recipe's, such as nih-cxr14:DIR")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting of the recipe, such as optimizer.lr=1e-3; may be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is already in RUN")
    parser.add_argument("--batch-size", type=positive_int, metavar="N", help="short for --set loop.batch_size=N")
    parser.add_argument("--seed", type=non_negative_int, metavar="N", help="short for --set loop.seed=N")
    add_device(parser)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Train, a line per epoch; the run folder holds the rest."""
    from pylon_zoo.cli.arguments import resolve_device
    from pylon_zoo.training.recipe_files import load_recipe
    from pylon_zoo.training.train import train

    short = {"loop.batch_size": args.batch_size, "loop.seed": args.seed}
    settings = [*args.settings, *(f"{key}={value}" for key, value in short.items() if value is not None)]
    recipe = load_recipe(args.recipe, settings, args.data)
    summary = train(
        recipe,
        args.out,
        device=str(resolve_device(args.device)) if args.device else None,
        workers=args.workers,
        overwrite=args.overwrite,
        progress=not args.quiet and sys.stderr.isatty(),
        report=None if args.quiet else lambda epoch: print(epoch_line(epoch, recipe.schedule.max_epochs), flush=True),
    )
    if args.quiet:
        return 0
    print(
        f"Trained {summary['architecture']} on {summary['train_images']} images of {summary['dataset']} in "
        f"{summary['seconds']:.0f} s ({summary['images_per_second']:.0f} images/s), best in epoch "
        f"{summary['best_epoch']}. Checkpoint: {args.out}/checkpoint"
    )
    return 0


def epoch_line(epoch: Epoch, planned: int) -> str:
    """An epoch in one line; `*` marks the best so far."""
    parts = [f"epoch {epoch.epoch:>{len(str(planned))}}/{planned}", f"lr {epoch.lr:.1e}", f"loss {epoch.loss:.4f}"]
    if epoch.validation is not None:
        seen = epoch.validation
        parts += [f"val loss {seen.loss:.4f}", f"AUROC {seen.auroc:.3f}", f"point acc. {seen.point_accuracy:.3f}"]
    return "  ".join([*parts, f"{epoch.images_per_second:.0f} images/s", "*" if epoch.best else ""]).rstrip()
