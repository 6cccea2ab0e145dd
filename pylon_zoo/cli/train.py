"""`pylon-zoo train`: by a recipe, by settings chosen from the data (`--data --model`), or with `--resume` on."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import warnings
from contextlib import ExitStack
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
CHOOSING = ("size", "minutes", "orientation")
"""Options that only mean something where the settings are chosen."""


def positive_float(text: str) -> float:
    """A number above 0, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be above 0")
    return value


positive_float.__name__ = "number"  # argparse says "invalid number value"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a name of `pylon-zoo recipes list`, a .toml file; or with --resume a run's folder. Without one, "
        "--data and --model are enough, and the settings are chosen from the data",
    )
    parser.add_argument("--out", metavar="RUN", help="folder for the run; made if it is not there")
    parser.add_argument("--data", metavar="NAME[:DIR]", help="dataset in place of the recipe's, such as nih-cxr14:DIR")
    add_data_options(parser)
    add_settings(parser)
    chosen = parser.add_argument_group("without a recipe")
    chosen.add_argument("--model", metavar="NAME", help="a name of `pylon-zoo list`, such as pylon_resnet18")
    chosen.add_argument("--minutes", type=positive_float, metavar="N", help="about how long the run may take")
    chosen.add_argument(
        "--orientation",
        choices=("any", "upright", "auto"),
        help="whether images may be turned any way, or have a top and a bottom (default: auto, by the dataset)",
    )
    chosen.add_argument("--size", type=positive_int, metavar="PX", help="short for --set data.size=PX")
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
    parser.add_argument("--no-report", action="store_true", help="do not evaluate the best epoch into RUN/report.html")
    add_device(parser)
    add_workers(parser)
    add_quiet(parser)


def run(args: argparse.Namespace) -> int:
    """Train, a line per epoch; the run folder holds the rest."""
    out, source = place(args)  # may be mistyped, so before all that is slow to import
    from pylon_zoo.cli.arguments import resolve_device, shows_progress
    from pylon_zoo.training.interrupts import Terminated
    from pylon_zoo.training.run_folder import RunFolder
    from pylon_zoo.training.train import train
    from pylon_zoo.weights.reach import offline_where_unreachable

    device = str(resolve_device(args.device)) if args.device else None
    with ExitStack() as stack:
        if source is None:
            stack.enter_context(offline_where_unreachable())
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "timm's weights of")  # the lines below say whose they are
            recipe = chosen_recipe(args, out, device)
        else:
            recipe = named_recipe(args, source)
        planned, done = planned_epochs(recipe), args.resume and RunFolder(out).summary() is not None
        try:
            summary = train(
                recipe,
                out,
                device=device,
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
    if not on_main_process():
        return 0
    if not args.quiet:
        print(
            f"{'Was done already: trained' if done else 'Trained'} {summary['architecture']} on "
            f"{summary['train_images']} images of {summary['dataset']} in {summary['seconds']:.0f} s "
            f"({summary['images_per_second']:.0f} images/s), best in epoch {summary['best_epoch']}. "
            f"Checkpoint: {out}/checkpoint"
        )
    if not args.no_report:
        from pylon_zoo.evaluation.training_report import report_run

        path = report_run(out, device=device, workers=args.workers, progress=shows_progress(args))
        if not args.quiet:
            print(f"Open {path}")
    return 0


def chosen_recipe(args: argparse.Namespace, out: str, device: str | None) -> Recipe:
    """A recipe for `--data` and `--model`, with the ten lines that say what was chosen in it, which are printed.

    Raises:
        ConfigError: several processes, which would choose each for itself, or a folder that is in use.
        PylonZooError: as `pylon_zoo.training.automatic.choose`.
    """
    from dataclasses import replace

    from pylon_zoo.cli.arguments import shows_progress
    from pylon_zoo.training.automatic import choose
    from pylon_zoo.training.run_folder import RunFolder
    from pylon_zoo.training.wording import ten_lines

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "Several processes would choose each for itself: start the run in one, stop it, and launch the recipe.toml "
            "of its folder."
        )
    RunFolder(out).check_free(overwrite=args.overwrite)
    choices = choose(
        args.data,
        args.model,
        settings=settings_of(args),
        orientation=args.orientation or "auto",
        minutes=args.minutes,
        device=device,
        workers=args.workers,
        progress=shows_progress(args),
    )
    lines = ten_lines(choices)
    if not args.quiet:
        print(*lines, sep="\n", flush=True)
    return replace(choices.recipe, notes=lines)


def named_recipe(args: argparse.Namespace, source: str) -> Recipe:
    """The recipe of a name, a file or a run that has begun, with the settings of the command line."""
    from pylon_zoo.training.recipe_files import load_recipe

    model = [f"model.architecture={args.model}"] if args.model else []
    return load_recipe(source, [*model, *settings_of(args)], args.data)


def settings_of(args: argparse.Namespace) -> list[str]:
    """`--data-option`, `--set` and the options that are short for it."""
    from pylon_zoo.cli.arguments import data_options
    from pylon_zoo.training.overrides import data_settings

    short = {"data.size": args.size, "loop.batch_size": args.batch_size, "loop.seed": args.seed}
    return [
        *data_settings(data_options(args)),
        *args.settings,
        *(f"{key}={value}" for key, value in short.items() if value is not None),
    ]


def place(args: argparse.Namespace) -> tuple[str, str | None]:
    """The run's folder, and the recipe's name or path; None where the settings are to be chosen.

    Raises:
        ConfigError: neither `--out` nor a run's folder says where, or neither a recipe nor data and a model what.
        UnknownNameError: there is no such recipe or model.
    """
    from pylon_zoo.training.model_name import check_model
    from pylon_zoo.training.recipe_files import recipe_path

    run = args.recipe if args.recipe is not None else args.out
    own = None if run is None else Path(run) / RECIPE
    if args.resume and own is not None and own.is_file():
        return args.out or args.recipe, str(own)
    if args.out is None:
        raise ConfigError("Say where the run goes with --out RUN; only `pylon-zoo train RUN --resume` needs none.")
    if args.recipe is None:
        if args.data is None or args.model is None:
            raise ConfigError(
                "Say what to train: a RECIPE of `pylon-zoo recipes list`, or both --data NAME:DIR and --model NAME, "
                "such as pylon_resnet18."
            )
        check_model(args.model)
        return args.out, None
    for option in ("model", *CHOOSING):
        if getattr(args, option) is not None:
            raise ConfigError(
                f"--{option} is for runs without a recipe; {args.recipe} has its own settings, which --set KEY=VALUE "
                "changes."
            )
    recipe_path(args.recipe)
    return args.out, args.recipe


def resuming(out: str) -> str:
    """The command that goes on with a run, as this system's shell takes it."""
    quoted = subprocess.list2cmdline([out]) if os.name == "nt" else shlex.quote(out)
    return f"pylon-zoo train {quoted} --resume"


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
