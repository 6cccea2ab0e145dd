"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pylon_zoo.cli.names import check_model
from pylon_zoo.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from pylon_zoo.models.contract import HeatmapClassifier
    from pylon_zoo.models.heatmap_model import HeatmapModel


def positive_int(text: str) -> int:
    """A whole number from 1 up, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return value


positive_int.__name__ = "whole number"  # argparse says "invalid whole number value"


def non_negative_int(text: str) -> int:
    """A whole number from 0 up, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} must be at least 0")
    return value


non_negative_int.__name__ = "whole number"


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model NAME [--pretrained TAG]` or `--checkpoint DIR`, read by `load_model`."""
    group = parser.add_argument_group("model")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--model", metavar="NAME", help="a name with its weights' tag; see `pylon-zoo list --pretrained`"
    )
    which.add_argument("--checkpoint", metavar="DIR", help="a checkpoint folder, or the folder of a training run")
    group.add_argument("--pretrained", metavar="TAG", help="the weights, where the name has no tag")


def add_method(parser: argparse.ArgumentParser) -> None:
    """`--method NAME [--layer A,B] [--relu]`, read by `load_model`."""
    group = parser.add_argument_group("heatmaps by an attribution method instead of the model's own")
    group.add_argument(
        "--method",
        metavar="NAME",
        help="grad_cam, grad_cam++, hires_cam, layer_cam, score_cam, …; see docs/methods.md",
    )
    group.add_argument("--layer", metavar="A,B", help="the layers it looks at, by name; by default the last map")
    group.add_argument("--relu", action="store_true", help="leave out negative evidence, as the methods' papers do")


def add_data(parser: argparse.ArgumentParser) -> None:
    """`--data NAME[:DIR]` and `--data-option`, for `pylon_zoo.data.registry.open_dataset`."""
    parser.add_argument("--data", required=True, metavar="NAME[:DIR]", help="dataset, such as phantom or nih-cxr14:DIR")
    add_data_options(parser)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """`--data-option KEY=VALUE`, read by `data_options`."""
    parser.add_argument(
        "--data-option",
        dest="data_options",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the dataset, such as masks=false, see docs/datasets.md; may be repeated",
    )


def data_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_data_options`, for `open_dataset`.

    Raises:
        ConfigError: one is not of the form key=value.
    """
    from pylon_zoo.data.registry import parse_data_options

    return parse_data_options(args.data_options)


def add_placement(parser: argparse.ArgumentParser) -> None:
    """`--placement exact|paper`, for `pylon_zoo.cells.to_pixels`."""
    parser.add_argument(
        "--placement",
        choices=("exact", "paper"),
        default="exact",
        help="where heatmaps are drawn: each cell at the pixels it looks at, or cells as tiles of the image, up to "
        "half a stride beside, as in published figures (default: exact)",
    )


def add_views(parser: argparse.ArgumentParser) -> None:
    """`--views NAME`, a key of `pylon_zoo.models.viewpoints.VIEWS`."""
    parser.add_argument(
        "--views",
        choices=("none", "mirror", "turns", "all", "scales"),
        default="none",
        help="average over views of every image, in place: with its mirror image, its four quarter turns, all eight "
        "turns and mirror images, or two scales; as many times the work (default: none)",
    )


def add_settings(parser: argparse.ArgumentParser, whose: str = "the recipe") -> None:
    """`--set KEY=VALUE`, for `pylon_zoo.training.recipe_files.load_recipe`, as `args.settings`."""
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"change a setting of {whose}, such as optimizer.lr=1e-3; may be repeated",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`, read by `resolve_device`."""
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps, …; by default the best there is")


def add_batch_size(parser: argparse.ArgumentParser, default: int) -> None:
    """`--batch-size`."""
    parser.add_argument(
        "--batch-size", type=positive_int, default=default, metavar="N", help="images at a time (default: %(default)s)"
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """`--workers`."""
    parser.add_argument(
        "--workers", type=non_negative_int, default=0, metavar="N", help="processes that load images (default: none)"
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """`--quiet`."""
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary; errors still show")


def shows_progress(args: argparse.Namespace) -> bool:
    """Whether progress bars are wanted: on a terminal, and not with `--quiet`."""
    return not args.quiet and sys.stderr.isatty()


def resolve_device(name: str | None) -> torch.device:
    """The device a user means.

    Args:
        name: as torch names devices; None is CUDA or MPS where there is one, otherwise the CPU.

    Raises:
        ConfigError: no such device on this machine.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    import torch

    usable = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if name is None:
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if usable[kind]))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device {name} is not a device: name {', '.join(usable)} or cuda:N.") from error
    if (device.index or 0) >= usable.get(device.type, 0):
        here = ", ".join(kind for kind, count in usable.items() if count)
        raise ConfigError(f"--device {name} cannot be used: torch sees no such device here. There is: {here}.")
    return device


def load_model(args: argparse.Namespace) -> HeatmapClassifier:
    """The model of `add_model`'s options with its weights, in eval mode, on `args.device`.

    Raises:
        ConfigError: `--pretrained` beside `--checkpoint`, a name without weights, or a device that is not there.
        UnknownNameError: no such model or tag.
        WeightsError: the weights cannot be had.
    """
    check_model(args)
    device = resolve_device(args.device)
    if args.checkpoint:
        from pylon_zoo.weights.checkpoint import load_checkpoint

        return load_checkpoint(args.checkpoint).to(device).eval()
    from pylon_zoo.factory import create_model

    return create_model(args.model, pretrained=args.pretrained or True).to(device).eval()


def load_explained(args: argparse.Namespace) -> HeatmapModel:
    """The model of `add_model`'s options, its heatmaps by the method of `add_method`'s if one is named.

    Raises:
        ConfigError, UnknownNameError, WeightsError: as for `load_model`; an unknown method or layer.
        MissingDependencyError: the method needs a package that is not installed.
    """
    if args.method is None and (args.layer or args.relu):
        raise ConfigError("--layer and --relu belong to an attribution method; name one with --method.")
    model = load_model(args)
    if args.method is None:
        return model
    from pylon_zoo.attribution import AttributedClassifier

    layers = [name.strip() for name in args.layer.split(",")] if args.layer else None
    options: dict[str, Any] = {"relu": True} if args.relu else {}  # not every method has it
    return AttributedClassifier(model, args.method, layers, **options).eval()


def model_name(args: argparse.Namespace) -> str:
    """How results name the model of `add_model`'s options."""
    if args.checkpoint:
        return str(args.checkpoint)
    return args.model if "." in args.model or not args.pretrained else f"{args.model}.{args.pretrained}"


def explained_name(args: argparse.Namespace) -> str:
    """How results name the model, and the method of `add_method`'s options."""
    return f"{model_name(args)}, {args.method}" if args.method else model_name(args)
