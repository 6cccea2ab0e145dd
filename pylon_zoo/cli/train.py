"""`pylon-zoo train RECIPE --out RUN`: train a model by a recipe; `pylon-zoo train RUN --resume`: go on with a run."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pylon_zoo.cli.arguments import (
    add_data_options,
    add_device,
    add_quiet,
    add_settings,
    add_workers,
    non_negative_int,
    positive_int,
)
from pylon_zoo.errors import ConfigError

if TYPE_CHECKING:
    from pylon_zoo.training.loop import Epoch
    from pylon_zoo.training.recipe import Recipe

RECIPE = "recipe.toml"  # in a run's folder
INTERRUPTED, TERMINATED = 130, 143
"""Exit codes, those a shell reports for SIGINT and SIGTERM."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        help="a name of `pylon-zoo recipes list`, a .toml file; or with --resume a run's folder",
    )
    parser.add_argument("--out", metavar="RUN", help="folder for the run; made if it is not there")
    parser.add_argument("--data", metavar="NAME[:DIR]", help="dataset in place of the recipe's, such as nih-cxr14:DIR")
    add_data_options(parser)
    add_settings(parser)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace a run that is already in RUN")
    again.add_argument("--resume", action="store_true", help="go on with the run in RUN; begin it if there is none")
    parser.add_argument("--batch-size", type=positive_int, metavar="N", help="short for --set loop.batch_size=N")
    parser.add_argument("--seed", type=non_negative_int, metavar="N", help="short for --set loop.seed=N")
    parser.add_argument(
        "--tracker",
        dest="trackers",
        action="append",
        default=[],
        metavar="NAME",
        help="send each epoch's figures to tensorboard or wandb as well; may be repeated",
    )
    add_device(parser)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Train, a line per epoch; the run folder holds the rest."""
    from pylon_zoo.cli.arguments import data_options, resolve_device, shows_progress
    from pylon_zoo.training.interrupts import Terminated
    from pylon_zoo.training.recipe_files import data_settings, load_recipe
    from pylon_zoo.training.run_folder import RunFolder
    from pylon_zoo.training.train import train

    out, source = place(args)
    short = {"loop.batch_size": args.batch_size, "loop.seed": args.seed}
    settings = [*data_settings(data_options(args)), *args.settings]
    settings += [f"{key}={value}" for key, value in short.items() if value is not None]
    recipe = load_recipe(source, settings, args.data)
    planned, done = planned_epochs(recipe), args.resume and RunFolder(out).summary() is not None
    try:
        summary = train(
            recipe,
            out,
            device=str(resolve_device(args.device)) if args.device else None,
            workers=args.workers,
            overwrite=args.overwrite,
            resume=args.resume,
            trackers=args.trackers,
            progress=shows_progress(args),
            report=None if args.quiet else lambda epoch: print(epoch_line(epoch, planned), flush=True),
        )
    except KeyboardInterrupt as stop:
        code = TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
        print(f"pylon-zoo: stopped; what was saved last is whole. Go on with: {resuming(out)}", file=sys.stderr)
        return code
    if args.quiet or not on_main_process():
        return 0
    print(
        f"{'Was done already: trained' if done else 'Trained'} {summary['architecture']} on {summary['train_images']} "
        f"images of {summary['dataset']} in {summary['seconds']:.0f} s ({summary['images_per_second']:.0f} images/s), "
        f"best in epoch {summary['best_epoch']}. Checkpoint: {out}/checkpoint"
    )
    return 0


def place(args: argparse.Namespace) -> tuple[str, str]:
    """The run's folder, and the recipe's name or path.

    Raises:
        ConfigError: neither `--out` nor a run's folder says where.
    """
    own = Path(args.recipe) / RECIPE
    if args.resume and own.is_file():
        return args.out or args.recipe, str(own)
    if args.out is None:
        raise ConfigError("Say where the run goes with --out RUN; only `pylon-zoo train RUN --resume` needs none.")
    return args.out, args.recipe


def resuming(out: str) -> str:
    """The command that goes on with a run."""
    return f"pylon-zoo train {shlex.quote(out)} --resume"


def on_main_process() -> bool:
    """False in all but one of the processes that a launcher has started."""
    return int(os.environ.get("RANK", "0")) == 0


def planned_epochs(recipe: Recipe) -> int:
    """Epochs of all phases, if no schedule ends one before."""
    return recipe.schedule.max_epochs * len(recipe.phases.encoder)


def epoch_line(epoch: Epoch, planned: int) -> str:
    """An epoch in one line; `*` marks the best so far, and later phases say which they are."""
    parts = [f"epoch {epoch.epoch:>{len(str(planned))}}/{planned}"]
    parts += [f"phase {epoch.phase}"] * (epoch.phase > 1)
    parts += [f"lr {epoch.lr:.1e}", f"loss {epoch.loss:.4f}"]
    if epoch.validation is not None:
        seen = epoch.validation
        parts += [f"val loss {seen.loss:.4f}", f"AUROC {seen.auroc:.3f}", f"point acc. {seen.point_accuracy:.3f}"]
    return "  ".join([*parts, f"{epoch.images_per_second:.0f} images/s", "*" if epoch.best else ""]).rstrip()
