"""`pylon-zoo`: finds the command, runs it, and turns errors into one sentence and an exit code.

Commands are modules with `add_arguments(parser)` and `run(args) -> int`. A module imports whatever is heavy inside
`run`, after it has looked at what may be mistyped, so that help and usage errors come at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from pylon_zoo._version import __version__
from pylon_zoo.cli.names import check_names
from pylon_zoo.errors import PylonZooError, suggest

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("pylon_zoo.cli.demo", "explain synthetic radiographs with the bundled model, offline"),
    "explain": ("pylon_zoo.cli.explain", "show what a model finds in images, and where"),
    "app": ("pylon_zoo.cli.app", "a page in the browser: drop images, see what a model finds and where"),
    "train": ("pylon_zoo.cli.train", "train a model from image-level labels, by a recipe or by what the data are like"),
    "evaluate": ("pylon_zoo.cli.evaluate", "measure a model on a dataset, class by class"),
    "figure": ("pylon_zoo.cli.figure", "draw a figure for a paper: maps in rows and columns, or curves"),
    "reproduce": ("pylon_zoo.cli.reproduce", "fill a table of the paper: train what is missing, evaluate, average"),
    "predict": ("pylon_zoo.cli.predict", "predict many images into one Parquet file"),
    "export": ("pylon_zoo.cli.export", "write a model as ONNX, torch.export or TorchScript, and check it"),
    "data": ("pylon_zoo.cli.data", "download a dataset, check it, or write a copy of it that loads faster"),
    "recipes": ("pylon_zoo.cli.recipes", "list the recipes that ship, or show one"),
    "weights": ("pylon_zoo.cli.weights", "list, verify and publish weights, or import the authors' checkpoints"),
    "list": ("pylon_zoo.cli.list", "list the models, or the pretrained weights"),
}
"""Command → module, and what it does in one line."""

USAGE_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
"""Exit codes; the last two are what a shell reports for SIGINT and SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; None is the process's own.

    Returns:
        The exit code: 0 when all went well, 1 for an error in data, 2 for an error in usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Taken out here, so that it works in any place, and for errors before a command has parsed its options.
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be printable
    try:
        code = _dispatch([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us (`| head`) has gone; without this Python complains about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except PylonZooError as error:
        if debug:
            traceback.print_exc()
        return _fail(str(error), error.exit_code)
    except Exception as error:
        if debug:
            traceback.print_exc()
        hint = "" if debug else " (this was not foreseen; --debug shows where it happened)"
        return _fail(f"{type(error).__name__}: {' '.join(str(error).split())}{hint}", 1)
    return code


def _dispatch(arguments: list[str]) -> int:
    """The exit code of the command that `arguments` name, or of a mistake in them."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name in ("-h", "--help"):
        print(_overview())
        return 0 if arguments else USAGE_ERROR
    if name == "--version":
        print(f"pylon-zoo {__version__}")
        return 0
    if name not in COMMANDS:
        what = "option" if name.startswith("-") else "command"
        return _fail(f"no {what} {name!r}.{suggest(name, COMMANDS)} See: pylon-zoo --help", USAGE_ERROR)
    module_name, summary = COMMANDS[name]
    module = import_module(module_name)
    parser = argparse.ArgumentParser(prog=f"pylon-zoo {name}", description=f"{summary[0].upper()}{summary[1:]}.")
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    try:
        args = parser.parse_args(rest)
    except SystemExit as exit_:  # argparse has printed its help or its complaint
        return int(exit_.code or 0)
    check_names(args)
    code: int = module.run(args)
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items())
    return (
        "usage: pylon-zoo COMMAND [options]\n\n"
        "Classifiers that show where they looked.\n\n"
        f"commands:\n{commands}\n\n"
        "pylon-zoo COMMAND --help shows a command's options; pylon-zoo --version the version."
    )


def _fail(message: str, code: int) -> int:
    print(f"pylon-zoo: error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
